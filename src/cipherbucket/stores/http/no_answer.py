"""Why no answer came, or only a part of one, in words of ours; those of libraries quote URLs.

Rule: what another try cannot mend, such as a certificate that is not trusted, is no
`TransientStoreError`. No URL is shown: it may hold a signature, and a proxy's a password.
"""

from __future__ import annotations

import ssl
from http.client import RemoteDisconnected
from urllib.parse import urlsplit

import urllib3

from cipherbucket.errors import StoreError, TransientStoreError
from cipherbucket.network import PROXY_PASSWORD, TUNNEL_REFUSED, causes_of, is_plain_http
from cipherbucket.stores.http.connections import TlsAnswerError

WRITE_HTTPS = "write the endpoint with https://"
_LOOK = "check the region, the endpoint ({}), the network and the proxy (HTTPS_PROXY, NO_PROXY)"
_UNREACHED = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    urllib3.exceptions.ProxyError,
)
_NOT_YET, _EXPIRED, _OTHER_NAME, _OTHER_ADDRESS = 9, 10, 62, 64
"""OpenSSL's numbers of what is wrong with a certificate."""


def no_answer(error: Exception, url: str, endpoint_in: str) -> StoreError:
    """Return the error that a request without an answer is.

    Args:
        error: What the HTTP library raised.
        url: The request's, without its query.
        endpoint_in: The environment variable of the endpoint.
    """
    host = urlsplit(url).netloc
    ours = next(
        (found for cause in causes_of(error) if (found := _of_tls(cause, error, host)) is not None),
        None,
    )
    if ours is None:
        unreached = isinstance(error, _UNREACHED)
        ours = _unreached(error, host, endpoint_in) if unreached else _broken(error, url)
    ours.host = host
    return ours


def reason(error: Exception) -> str:
    """Say what broke in one line, without URLs."""
    cause = error.__cause__ or error.__context__ or error
    if isinstance(error, urllib3.exceptions.ReadTimeoutError | TimeoutError):
        return "the answer was silent for too long, or too slow"
    return f"{type(error).__name__} ({type(cause).__name__})" if cause is not error else str(error)


def _of_tls(cause: BaseException, error: Exception, host: str) -> StoreError | None:
    """Return the error, if one side speaks no TLS, or shows a certificate that is not trusted."""
    proxied = isinstance(error, urllib3.exceptions.ProxyError)
    who, what = ("its proxy", "proxy") if proxied else ("it", "endpoint")
    where = f"the store at {host} cannot be reached:"
    if isinstance(cause, TlsAnswerError):
        return StoreError(f"{where} {who} speaks https, and http was asked", hint=WRITE_HTTPS)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return StoreError(
            f"{where} {who} shows a certificate that is not trusted ({cause.verify_message})",
            hint=_mended_by(cause.verify_code, what),
        )
    if not isinstance(cause, ssl.SSLError):
        return None
    if is_plain_http(cause):
        return StoreError(
            f"{where} {who} speaks http, and https was asked",
            hint=f"write the {what} with http://, or check its port",
        )
    why = (cause.reason or "for no reason").replace("_", " ").lower()
    return TransientStoreError(
        f"{where} TLS breaks off ({why})", hint=f"check the {what}, its port and the network"
    )


def _mended_by(code: int, what: str) -> str:
    if code in {_NOT_YET, _EXPIRED}:
        return f"renew the certificate of the {what}, or set this machine's clock"
    if code in {_OTHER_NAME, _OTHER_ADDRESS}:
        return f"write the {what} with a name that the certificate is for"
    return (
        "if its CA is your own, name the CA's file in REQUESTS_CA_BUNDLE or SSL_CERT_FILE, or as"
        " ca_file; otherwise something on the way answers in its place"
    )


def _unreached(error: Exception, host: str, endpoint_in: str) -> StoreError:
    proxied = isinstance(error, urllib3.exceptions.ProxyError)
    said = None
    for cause in causes_of(error):
        if isinstance(cause, TimeoutError):
            said = "no answer in time"
        elif isinstance(cause, OSError) and cause.strerror:
            said = cause.strerror
        elif refused := TUNNEL_REFUSED.match(str(cause)):
            said = f"HTTP {refused[1]}"
        if said is not None:
            break
    start = f"the store at {host} cannot be reached: {'its proxy: ' if proxied else ''}"
    if said == "HTTP 407":
        return StoreError(f"{start}a user name and a password are wanted", hint=PROXY_PASSWORD)
    return TransientStoreError(f"{start}{said or reason(error)}", hint=_LOOK.format(endpoint_in))


def _broken(error: Exception, url: str) -> StoreError:
    causes = list(causes_of(error))
    said = reason(error)
    if any(isinstance(cause, RemoteDisconnected) for cause in causes):
        said = "the connection was closed without an answer"
    elif any(isinstance(cause, ConnectionResetError | BrokenPipeError) for cause in causes):
        said = "the connection was broken off"
    silent = any(isinstance(cause, ConnectionError) for cause in causes)
    return TransientStoreError(
        f"{url}: {said}",
        hint=f"if it speaks https, {WRITE_HTTPS}" if silent and url.startswith("http:") else None,
    )
