"""Where access keys for the cloud's services come from.

A provider is a callable that returns current `Credentials`; it is asked before every request, so
that temporary ones can be renewed. Secrets are shown in no repr and no error: what comes from a
file or a variable often ends with a line end, and libraries below repeat the header that it is in.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from cipherbucket.errors import StoreError, UsageError, missing_extra, not_copied, without_frames

_NO_CREDENTIALS = "CredentialException"
"""What the chain raises when it came to its end."""
OWN_ENVIRONMENT = "leave it out: each process takes its own from its environment"
_SENDABLE = re.compile(r"[ -~]*")


def _sendable(text: str, what: str) -> str:
    if not isinstance(text, str):
        raise UsageError(f"the {what} is a text, not {type(text).__name__}")
    if not _SENDABLE.fullmatch(bare := text.strip()):
        raise UsageError(
            f"the {what} holds a line end, a control character or one that is not ASCII",
            hint="look at where it comes from; it is not shown",
        )
    return bare


@dataclass(frozen=True, init=False)
class Credentials:
    """An access key, with a security token if it is temporary (STS).

    Blanks and line ends at either end of the three are taken away.

    Args:
        access_key_id: Id.
        access_key_secret: Secret.
        security_token: Token, or None.

    Raises:
        UsageError: One of them is no text, or holds what is not printable ASCII. It is not shown.
    """

    access_key_id: str
    access_key_secret: str = field(repr=False)
    security_token: str | None = field(default=None, repr=False)

    @without_frames
    def __init__(
        self, access_key_id: str, access_key_secret: str, security_token: str | None = None
    ) -> None:
        token = "" if security_token is None else security_token
        given = {
            "access_key_id": _sendable(access_key_id, "access key id"),
            "access_key_secret": _sendable(access_key_secret, "access key secret"),
            "security_token": _sendable(token, "security token") or None,
        }
        for name, text in given.items():
            object.__setattr__(self, name, text)

    __reduce__ = not_copied("an access key", OWN_ENVIRONMENT)


def state_without_secrets(settings: Any) -> dict[str, Any]:
    """Return what settings are pickled as.

    Args:
        settings: What may have ``credentials`` and a ``proxy``, in whose URL passwords stand.

    Raises:
        UsageError: They have one of these.
    """
    for name in ("credentials", "proxy"):
        if getattr(settings, name):
            raise UsageError(
                f"settings with {name}= cannot be pickled or copied", hint=OWN_ENVIRONMENT
            )
    return dict(vars(settings))


CredentialsProvider = Callable[[], Credentials]

ANONYMOUS = Credentials("", "")
"""Nobody: requests are not signed. Good for what a bucket's ACL gives to everybody."""


def environment_credentials() -> Credentials | None:
    """Read ``OSS_ACCESS_KEY_ID``, ``OSS_ACCESS_KEY_SECRET``, ``OSS_SESSION_TOKEN``.

    Returns:
        The credentials, or None when id or secret is not set.

    Raises:
        UsageError: One of them holds what is not printable ASCII.
    """
    names = ("OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET", "OSS_SESSION_TOKEN")
    found = Credentials(*(os.environ.get(name, "") for name in names))
    return found if found.access_key_id and found.access_key_secret else None


def provider_of(credentials: Credentials | CredentialsProvider | None) -> CredentialsProvider:
    """Return a provider for what a caller gave.

    Args:
        credentials: Fixed ones, a provider, or None: then the environment, and after it the
            default chain of ``alibabacloud-credentials`` (environment, profile files, OIDC role,
            RAM role of the machine), which renews what expires.

    Raises:
        MissingExtraError: The default chain is needed and not installed.
        UsageError: What the environment holds cannot be credentials.
    """
    if isinstance(credentials, Credentials):
        fixed = credentials
        return lambda: fixed
    if credentials is not None:
        return partial(_asked, credentials)
    if (found := environment_credentials()) is not None:
        return lambda: found
    return _default_chain()


def _asked(provider: CredentialsProvider) -> Credentials:
    current = provider()
    if not isinstance(current, Credentials):
        raise UsageError(f"a provider returns Credentials, not {type(current).__name__}")
    return current


def _default_chain() -> CredentialsProvider:
    try:
        from alibabacloud_credentials.client import Client  # noqa: PLC0415  the extra
    except ImportError as error:
        missing = missing_extra(
            "no credentials: OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET are not set, and the"
            " default chain is not installed",
            "oss",
        )
        missing.hint = f"set them, or: {missing.hint}"
        raise missing from error
    client: Client | None = None

    def provide() -> Credentials:
        nonlocal client
        try:
            client = client or Client()
            current = client.get_credential()
        except Exception as error:  # noqa: BLE001  what its libraries raise quotes answers
            failure = f": {name}" if (name := type(error).__name__) != _NO_CREDENTIALS else ""
        else:
            return Credentials(
                current.get_access_key_id(),
                current.get_access_key_secret(),
                current.get_security_token() or None,
            )
        raise StoreError(
            f"no credentials in the default chain{failure}",
            hint="set OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET, or configure a role",
        )

    return provide
