"""What a program's surroundings say of the way to a service: proxies, and certificates to trust.

Rule: names and meanings are those of `requests` and curl, so that what is set for them holds here,
too. The environment is read when a connection's owner is made, and not again. No error shows a
proxy's URL, which may hold a password.
"""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies_environment

from cipherbucket.errors import UsageError

_SCHEMES = ("http", "https")
PROXY_PASSWORD = (
    "write both into the proxy's URL, as in http://USER:PASSWORD@HOST:PORT;"  # noqa: S105
    " if they are there, they are wrong"
)
"""What to do if a proxy wants a user name and a password."""
TUNNEL_REFUSED = re.compile(r"Tunnel connection failed: ([0-9]{3})\b")
"""What `http.client` says if a proxy makes no tunnel, with the status of its answer."""
_NO_TLS = {
    "HTTPS_PROXY_REQUEST",
    "HTTP_REQUEST",
    "PACKET_LENGTH_TOO_LONG",
    "RECORD_LAYER_FAILURE",
    "UNKNOWN_PROTOCOL",
    "WRONG_VERSION_NUMBER",
}
"""What OpenSSL calls an answer that is no TLS; it depends on its version and on the bytes."""
_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class Proxies:
    """Which proxy leads to a URL, if any does.

    Args:
        given: The URL of a proxy for every URL, "" for none at all; or the dictionary of
            `requests`, with keys such as ``http``, ``all`` and ``https://host``, where "" is no
            proxy. The environment says what it does not, or all of it where it is None:
            ``http_proxy``, ``HTTPS_PROXY``, ``ALL_PROXY``, ``NO_PROXY``.
    """

    def __init__(self, given: str | Mapping[str, str | None] | None = None) -> None:
        every = dict.fromkeys(_SCHEMES, given) if isinstance(given, str) else given
        self._given: dict[str, str | None] = dict(every or {})
        self._environment = getproxies_environment()
        set_for_all = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
        self._no_proxy = self._given.pop("no_proxy", None) or set_for_all or ""

    def to(self, url: str) -> str | None:
        """Return the URL of the proxy that leads to a URL, or None.

        Raises:
            UsageError: It is no proxy that speaks HTTP.
        """
        known = self._given
        if not _goes_direct(url, self._no_proxy):
            known = {**self._environment, **self._given}
        parts = urlsplit(url)
        keys = (
            f"{parts.scheme}://{parts.hostname}",
            parts.scheme,
            f"all://{parts.hostname}",
            "all",
        )
        proxy = next((text for key in keys if (text := known.get(key)) is not None), None)
        if not proxy:
            return None
        full = proxy.strip() if "://" in proxy else f"http://{proxy.strip()}"
        scheme = full.partition("://")[0].lower()
        if scheme.startswith("socks"):
            raise UsageError(
                "the proxy speaks SOCKS, which is not supported",
                hint="name a proxy that speaks HTTP (HTTPS_PROXY), or the store's host in NO_PROXY",
            )
        if scheme not in _SCHEMES:
            raise UsageError(
                "the proxy is no URL that can be used", hint="it begins with http:// or https://"
            )
        return full


def _goes_direct(url: str, no_proxy: str) -> bool:
    """Return whether ``no_proxy`` names the host of a URL, by the rules of `requests`.

    Beyond them, networks and brackets are understood for IPv6 as networks are for IPv4.
    """
    if no_proxy.strip() == "*":
        return True
    parts = urlsplit(url)
    host = parts.hostname or ""
    address = _address(host)
    for entry in filter(None, no_proxy.replace(" ", "").lower().split(",")):
        ending = f".{entry.lstrip('.')}"
        if f".{host}".endswith(ending):
            return True
        if address is not None:
            if address in _network(entry):
                return True
        elif parts.port is not None and f".{host}:{parts.port}".endswith(ending):
            return True
    return False


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _network(entry: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | tuple[()]:
    try:
        return ipaddress.ip_network(entry.replace("[", "").replace("]", ""), strict=False)
    except ValueError:
        return ()


def bundle_of_environment() -> tuple[str, str] | None:
    """Return the variable that names the certificates to trust, and the path in it.

    `SSL_CERT_FILE` and `SSL_CERT_DIR` are none of them: they take the place of the system's
    certificates wherever these are loaded.
    """
    return next(((name, path) for name in _BUNDLES if (path := os.environ.get(name))), None)


def check_certificates(path: str, named_by: str) -> None:
    """Refuse a file that holds no certificates, or a folder that is not there.

    Args:
        path: The file or folder.
        named_by: The setting or variable that names it.

    Raises:
        UsageError: See above.
    """
    try:
        places = {"capath": path} if Path(path).is_dir() else {"cafile": path}
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(**places)
    except ssl.SSLError:
        raise UsageError(f"{named_by}: {path!r} holds no certificate in PEM") from None
    except FileNotFoundError:
        raise UsageError(f"{named_by}: there is no file {path!r}") from None
    except OSError as error:
        raise UsageError(f"{named_by}: {path!r} cannot be read: {error.strerror}") from None


def is_plain_http(error: ssl.SSLError) -> bool:
    """Return whether TLS failed because the other side does not speak it."""
    return error.reason in _NO_TLS


def causes_of(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what is behind it; urllib3 wraps some errors that it never raises."""
    while error is not None:
        yield error
        within = error.args[0] if error.args and isinstance(error.args[0], BaseException) else None
        error = error.__cause__ or error.__context__ or within
