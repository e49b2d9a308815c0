"""Four calls of the KMS API of version 2016-01-20, signed and made by the official SDK.

Rule: parameters travel in the body of the request. The SDK's own methods put them in the URL,
plaintext keys among them, where HTTP libraries and proxies write them into logs.

What fails on the way is tried again, and a KMS that throttles is waited for, with growing pauses:
no call changes anything, and a data key that never arrived encrypts nothing. The SDK takes half a
second to import; that is done at the first call.
"""

from __future__ import annotations

import base64
import importlib.util
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from cipherbucket.credentials import Credentials, CredentialsProvider, provider_of
from cipherbucket.errors import (
    CipherbucketError,
    KmsError,
    MasterKeyError,
    MissingExtraError,
    UsageError,
    missing_extra,
)
from cipherbucket.keys.base import does_not_open
from cipherbucket.keys.kms.answers import (
    KEY_NOT_FOUND,
    MAX_BLOB,
    NOT_THIS_CIPHERTEXT,
    NoAnswerError,
    decoded,
    explained,
    quoted,
)
from cipherbucket.keys.kms.settings import KmsSettings

if TYPE_CHECKING:
    from cipherbucket.keys.kms.way import Way

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 8.0
"""Seconds; each pause is up to twice the one before."""
_LONGEST_ID = 256


class KmsClient:
    """Calls a KMS.

    Args:
        settings: How it is reached.

    Raises:
        MissingExtraError: The SDK is not installed.
        UsageError: The settings lead nowhere, or to a proxy that cannot be used.
    """

    def __init__(self, settings: KmsSettings) -> None:
        from cipherbucket.keys.kms.way import way_to  # noqa: PLC0415  which takes a while

        self._settings = settings
        self._host = settings.host
        self._way = way_to(settings)
        self._sdk: Any = None
        if importlib.util.find_spec("alibabacloud_kms20160120") is None:
            raise _no_extra()

    def generate(self, key_id: str, length: int, context: str) -> tuple[bytes, str, str]:
        """Let the KMS draw a data key.

        Args:
            key_id: The KMS key that wraps it.
            length: In bytes.
            context: The encryption context as JSON text, or "".

        Returns:
            The data key, the ``CiphertextBlob``, and the id of the KMS key that wrapped it.

        Raises:
            MasterKeyError: There is no such KMS key.
            KmsError: It refused, failed or could not be reached.
        """
        spec = {"KeySpec": "AES_256"} if length == 32 else {}
        answer = self._call(
            "GenerateDataKey", context, KeyId=key_id, NumberOfBytes=str(length), **spec
        )
        data_key = decoded(self._text(answer, "Plaintext"))
        if data_key is None or len(data_key) != length:
            raise self._garbage("a data key of another length")
        return data_key, self._blob(answer), self._key_id(answer)

    def encrypt(self, key_id: str, secret: bytes, context: str) -> tuple[str, str]:
        """Wrap a secret; return what `generate` does but the data key. Arguments and errors too."""
        plaintext = base64.b64encode(secret).decode()
        answer = self._call("Encrypt", context, KeyId=key_id, Plaintext=plaintext)
        return self._blob(answer), self._key_id(answer)

    def decrypt(self, blob: str, context: str) -> tuple[str, str]:
        """Unwrap a ``CiphertextBlob``.

        Returns:
            The plaintext as text, and the id of the KMS key that opened it.

        Raises:
            WrongKeyError: The KMS says that this is no ciphertext of a key it has, or that the
                encryption context is another.
            KmsError: It refused, failed or could not be reached.
        """
        answer = self._call("Decrypt", context, CiphertextBlob=blob)
        return self._text(answer, "Plaintext"), self._key_id(answer)

    def describe(self, key_id: str) -> str:
        """Return the id of the KMS key that an id, alias or ARN stands for.

        Errors as `generate`.
        """
        metadata = self._call("DescribeKey", "", KeyId=key_id).get("KeyMetadata")
        return self._key_id(metadata if isinstance(metadata, Mapping) else {})

    def _call(self, action: str, context: str, **parameters: str) -> Mapping[str, Any]:
        if context:
            parameters["EncryptionContext"] = context
        failed, waited, pause = 0, 0.0, _FIRST_PAUSE
        while True:
            answer = self._once(action, parameters)
            if not isinstance(answer, _Trouble):
                return answer
            failed += answer.again == "failed"
            left = self._settings.patience - waited
            if not answer.again or failed >= self._settings.attempts or left <= 0:
                raise answer.error from answer.cause
            # Many clients that were throttled together must not come back together.
            nap = min(max(pause * random.uniform(0.5, 1), answer.after), left)  # noqa: S311
            time.sleep(nap)
            waited, pause = waited + nap, min(2 * pause, _LONGEST_PAUSE)

    def _once(self, action: str, parameters: Mapping[str, str]) -> Mapping[str, Any] | _Trouble:
        self._sdk = self._sdk or _Sdk(self._settings, self._way)
        try:
            answer = self._sdk.call(action, parameters)
        except Exception as raised:  # noqa: BLE001  the SDK raises what its libraries raise
            # It wraps errors in one that holds the whole request; that one goes no further.
            cause = getattr(raised, "inner_exception", raised)
        else:
            if isinstance(answer, Mapping):
                return answer
            cause = TypeError(f"{type(answer).__name__} is no answer")
        if isinstance(cause, CipherbucketError):  # the credentials are at fault
            return _Trouble(cause, cause.__cause__)
        if isinstance(cause, NoAnswerError):
            error = KmsError(f"the KMS at {self._host} {cause.text}", hint=cause.hint)
            error.host = self._host
            return _Trouble(error, again="failed" if cause.again else "")
        return self._trouble(action, cause, parameters)

    def _trouble(
        self, action: str, cause: BaseException, parameters: Mapping[str, str]
    ) -> _Trouble:
        status, code = getattr(cause, "status_code", None), _word(cause, "code")
        if not isinstance(status, int):
            return _Trouble(self._garbage(type(cause).__name__), again="failed")
        request_id = _word(cause, "request_id")
        details = f"(HTTP {status}, {code or '-'}, request {request_id or '-'}, {self._host})"
        throttled = status == 429 or "Throttling" in code
        if action == "Decrypt" and status < 500 and code.startswith(NOT_THIS_CIPHERTEXT):
            return _Trouble(does_not_open())
        text, hint = explained(code, status, throttled=throttled)
        missing = status < 500 and code.startswith(KEY_NOT_FOUND)
        if missing:
            text = f"the KMS has no key {quoted(parameters.get('KeyId'))!r}"
            hint = "check the id or alias of the key, and the region"
        refused = KmsError(f"{text} {details}", hint=hint)
        refused.status, refused.code = status, code or None
        refused.request_id, refused.host = request_id or None, self._host
        if missing:  # the caller's mistake; what the KMS said is its cause
            return _Trouble(MasterKeyError(refused.message, hint=hint), refused)
        if throttled:
            after = getattr(cause, "retry_after", None)  # milliseconds
            seconds = after / 1000 if isinstance(after, int) else 0.0
            return _Trouble(refused, again="throttled", after=seconds)
        return _Trouble(refused, again="failed" if status >= 500 else "")

    def _text(self, answer: Mapping[str, Any], name: str) -> str:
        text = answer.get(name)
        if not isinstance(text, str) or not text:
            raise self._garbage(f"no {name}")
        return text

    def _blob(self, answer: Mapping[str, Any]) -> str:
        blob = self._text(answer, "CiphertextBlob")
        if decoded(blob) is None:  # then it would not come back from an object as it was
            raise self._garbage("a CiphertextBlob that is not base64")
        if len(blob) > MAX_BLOB:
            raise self._garbage("a CiphertextBlob that is too long for an object")
        return blob

    def _key_id(self, answer: Mapping[str, Any]) -> str:
        key_id = self._text(answer, "KeyId")
        if not key_id.isprintable() or len(key_id) > _LONGEST_ID:
            raise self._garbage("a KeyId that is none")
        return key_id

    def _garbage(self, what: str) -> KmsError:
        error = KmsError(
            f"the answer of the KMS at {self._host} cannot be understood: {what}",
            hint="check that the endpoint is that of a KMS, with no proxy in between",
        )
        error.host = self._host
        return error


@dataclass(frozen=True)
class _Trouble:
    """What a call came to if not to an answer, and whether to try again.

    A cause is of the credentials' provider or ours: the SDK's exceptions hold requests and answers.
    """

    error: CipherbucketError
    cause: BaseException | None = None
    again: str = ""
    after: float = 0.0


class _Sdk:
    """The SDK's generic call."""

    def __init__(self, settings: KmsSettings, way: Way) -> None:
        try:
            from alibabacloud_kms20160120.client import Client  # noqa: PLC0415  the extra
            from alibabacloud_tea_openapi import utils_models as models  # noqa: PLC0415
            from darabonba.runtime import RuntimeOptions  # noqa: PLC0415

            from cipherbucket.keys.kms.http import session_for  # noqa: PLC0415
        except ImportError as error:
            raise _no_extra() from error
        self._models = models
        self._session = partial(session_for, settings, way)
        self._runtime = RuntimeOptions(
            connect_timeout=max(1, round(settings.connect_timeout * 1000)),  # 0 is its default
            read_timeout=max(1, round(settings.read_timeout * 1000)),
            ca=way.ca_file,
            ignore_ssl=not settings.verify,
            max_idle_conns=self._session()[1],
        )
        self._client = Client(
            models.Config(
                credential=_SdkCredentials(provider_of(settings.credentials)),
                endpoint=settings.host,
                protocol=settings.protocol.upper(),
                region_id=settings.region,
                user_agent="cipherbucket",
            )
        )

    def call(self, action: str, parameters: Mapping[str, str]) -> Any:
        params = self._models.Params(
            action=action,
            version="2016-01-20",
            protocol="HTTPS",
            pathname="/",
            method="POST",
            auth_type="AK",
            style="RPC",
            req_body_type="formData",
            body_type="json",
        )
        request = self._models.OpenApiRequest(query={}, body=dict(parameters))
        session, _ = self._session()
        before = session.sent
        answer = self._client.call_api(params, request, self._runtime)["body"]
        if session.sent != before + 1:
            raise NoAnswerError(
                "was not asked in the way it must be",
                hint="this version of the KMS's SDK is not known: update cipherbucket",
            )
        return answer


class _SdkCredentials:
    """Our provider in the shape that the SDK knows: asked before each request."""

    def __init__(self, provide: CredentialsProvider) -> None:
        self._provide = provide

    def get_credential(self) -> SimpleNamespace:
        current = self._current()
        return SimpleNamespace(
            access_key_id=current.access_key_id,
            access_key_secret=current.access_key_secret,
            security_token=current.security_token,
            bearer_token=None,
            provider_name=None,
            type="sts" if current.security_token else "access_key",
        )

    def _current(self) -> Credentials:
        try:
            current = self._provide()
        except CipherbucketError:
            raise
        except Exception as error:
            raise KmsError(
                f"the provider of credentials failed: {type(error).__name__}",
                hint="the KMS was not asked; look at what credentials= was given",
            ) from error
        if not current.access_key_id or not current.access_key_secret:
            raise UsageError("these credentials are none: they are empty")
        return current


def _word(cause: BaseException, name: str) -> str:
    """Return a word of the service's, "" for none; the SDK makes "None" of that."""
    word = quoted(getattr(cause, name, ""))
    return "" if word == "None" else word


def _no_extra() -> MissingExtraError:
    return missing_extra("keys of a KMS take its SDK, which is not installed", "kms")
