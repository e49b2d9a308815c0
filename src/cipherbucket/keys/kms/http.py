"""The HTTP under the KMS's SDK: one host is asked, and what it answers is small.

Rule: nothing is followed and nothing unbounded is read. The SDK left alone goes where an answer
sends it, to plain HTTP even, and another host would draw the data key. What its libraries raise
holds requests with their tokens; it ends here, in words of ours.

The SDK has no way to be given a session. It keeps its own by the names of their hosts, and ours is
put there before it looks; an answer that came by another one is not taken.
"""

from __future__ import annotations

import io
import json
import os
import ssl
import threading
import time
from collections.abc import Mapping
from typing import Any

import requests
import urllib3
from darabonba.core import DaraCore

from cipherbucket.keys.kms.answers import NoAnswerError
from cipherbucket.keys.kms.settings import KmsSettings
from cipherbucket.keys.kms.way import Way
from cipherbucket.network import PROXY_PASSWORD, TUNNEL_REFUSED, causes_of, is_plain_http

MAX_ANSWER = 64 << 10
"""Most bytes of an answer; the longest there is has some 20 KB."""
_BLOCK = 8 << 10
_CONNECTIONS = 32
_SECRET = ("authorization", "x-acs-security-token")

_lock = threading.Lock()
_kinds: dict[tuple[Way, bool], int] = {}


class KmsSession(requests.Session):
    """A session that follows nothing, reads little, and counts what it sent for each thread."""

    def __init__(self, settings: KmsSettings, way: Way, connections: int) -> None:
        super().__init__()
        self.trust_env = False
        self._proxies = {settings.protocol: way.proxy} if way.proxy else {}
        if settings.verify:
            adapter = DaraCore.get_adapter(settings.protocol, pool_size=connections)
        else:
            adapter = requests.adapters.HTTPAdapter(pool_maxsize=connections)
        self.mount(f"{settings.protocol}://", adapter)
        self._of_thread = threading.local()

    @property
    def sent(self) -> int:
        """How many requests this thread sent."""
        return getattr(self._of_thread, "sent", 0)

    def get_redirect_target(self, resp: Any) -> None:
        """Follow nothing."""

    def send(self, request: Any, **kwargs: Any) -> Any:
        """Send one request and read the answer whole.

        Raises:
            NoAnswerError: There is none, or none that a KMS gives.
        """
        self._of_thread.sent = self.sent + 1
        try:
            # The SDK's choice of a proxy knows no ALL_PROXY and no NO_PROXY.
            own = {"stream": True, "proxies": self._proxies}
            response = super().send(request, **{**kwargs, **own})
            try:
                body = _read(response.raw, kwargs["timeout"][1])
            except BaseException:
                response.close()
                raise
        except (OSError, urllib3.exceptions.HTTPError) as error:
            raise _in_words(error) from None
        finally:
            for name in _SECRET:  # with DEBUG=sdk, the SDK prints the headers
                request.headers.pop(name, None)
        if not 200 <= response.status_code < 300 and response.status_code < 400:
            raise NoAnswerError(f"answers with HTTP {response.status_code}, as no KMS does")
        if response.status_code >= 400 and not _is_error(body):
            # A page of something on the way: its status counts.
            body, response.headers["content-type"] = b"{}", "application/json"
        response.raw = io.BytesIO(body)
        return response


def session_for(settings: KmsSettings, way: Way) -> tuple[KmsSession, int]:
    """Return the session to a host, put where the SDK looks, and its number of connections.

    The SDK keeps sessions by host and number of connections alone: keys of another way or of other
    trust get another number, else what one trusts, the next would trust too.
    """
    with _lock:
        kind = (way, settings.verify)
        connections = _CONNECTIONS + _kinds.setdefault(kind, len(_kinds))
        name = (
            f"{settings.protocol}://{settings.host}:80:pool={connections}"  # 80: no port is added
        )
        session = DaraCore._sessions.get(name)  # noqa: SLF001  see above
        if not isinstance(session, KmsSession):
            session = DaraCore._sessions[name] = KmsSession(settings, way, connections)  # noqa: SLF001
        return session, connections


def _read(raw: Any, seconds: float) -> bytes:
    """Read a body of at most `MAX_ANSWER`, within a time: bytes that trickle keep no call alive."""
    ends, data = time.monotonic() + seconds, bytearray()
    while block := raw.read1(_BLOCK, decode_content=False):
        data += block
        if len(data) > MAX_ANSWER:
            raise NoAnswerError("answers at greater length than a KMS does")
        if time.monotonic() > ends:
            raise TimeoutError
    return bytes(data)


def _is_error(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body), Mapping)
    except (ValueError, RecursionError):
        return False


def _in_words(error: BaseException) -> NoAnswerError:
    """Say what kept an answer away: never in the words of the libraries, which quote."""
    causes = list(causes_of(error))
    for each in causes:
        if isinstance(each, ssl.SSLError):
            return _of_tls(each)
        if (refused := TUNNEL_REFUSED.search(str(each))) and refused[1] == "407":
            return NoAnswerError(
                "is behind a proxy that wants a user name and a password", hint=PROXY_PASSWORD
            )
    if any(isinstance(each, requests.exceptions.InvalidProxyURL) for each in causes):
        return NoAnswerError("is behind a proxy whose URL cannot be used", hint="check the proxy")
    if any(isinstance(each, requests.exceptions.ProxyError) for each in causes):
        return NoAnswerError("cannot be reached: its proxy does not let us through", again=True)
    if any(isinstance(each, TimeoutError | requests.exceptions.Timeout) for each in causes):
        return NoAnswerError("does not answer in time", again=True)
    reasons = (each.strerror for each in causes if isinstance(each, OSError))
    reason = next((text for text in reasons if text), "the connection broke")
    return NoAnswerError(f"cannot be reached: {reason}", again=True)


def _of_tls(error: ssl.SSLError) -> NoAnswerError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return NoAnswerError(
            f"shows a certificate that is not trusted ({error.verify_message})",
            hint="a dedicated gateway has a CA of its own: name its file as ca_file, or in"
            " REQUESTS_CA_BUNDLE; otherwise something on the way answers in its place",
        )
    if is_plain_http(error):
        return NoAnswerError(
            "speaks http, and https was asked",
            hint="check the endpoint and its port (KMS_ENDPOINT), and the proxy",
        )
    return NoAnswerError("cannot be reached: TLS breaks off", again=True)


def _forget_connections() -> None:
    """Begin anew in a child: on a shared connection it might get the parent's data key."""
    global _lock  # noqa: PLW0603  another thread of the parent may have held it
    _lock = threading.Lock()
    DaraCore._sessions.clear()  # noqa: SLF001  see above


os.register_at_fork(after_in_child=_forget_connections)
