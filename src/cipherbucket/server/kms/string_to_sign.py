"""What the signatures of Alibaba Cloud's APIs are computed of, and how: pure functions.

Rule: everything is computed of the request as it arrived, decoded and encoded anew, so that clients
that escape differently sign alike.

::

    RPC, version 1.0    HMAC-SHA1 of all parameters of URL and form, sorted; the key is secret + "&"
    ACS3-HMAC-SHA256    HMAC-SHA256 of the hash of method, path, query, named headers, body hash
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote

ACS3 = "ACS3-HMAC-SHA256"

Pairs = Sequence[tuple[str, str]]


def percent(text: str) -> str:
    """Escape all but letters, digits, and ``-_.~``, as RFC 3986 has it."""
    return quote(text, safe="")


def canonical_query(pairs: Iterable[tuple[str, str]]) -> str:
    """Return the parameters escaped and sorted."""
    return "&".join(f"{percent(name)}={percent(value)}" for name, value in sorted(pairs))


def rpc_string_to_sign(method: str, parameters: Pairs) -> str:
    """Return what the RPC signature signs: all parameters but ``Signature``."""
    signed = [(name, value) for name, value in parameters if name != "Signature"]
    return f"{method}&%2F&{percent(canonical_query(signed))}"


def sign_rpc(secret: str, text: str) -> str:
    """Sign for RPC."""
    digest = hmac.new(f"{secret}&".encode(), text.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def acs3_string_to_sign(
    method: str,
    path: str,
    query: Pairs,
    headers: Mapping[str, str],
    names: Sequence[str],
    body_hash: str,
) -> str:
    """Return what ACS3 signs.

    Args:
        method: In capitals.
        path: As it was sent.
        query: Parameters of the URL, decoded.
        headers: Names in lower case.
        names: Which of them are signed, in lower case.
        body_hash: SHA-256 of the body, in hex.
    """
    ordered = sorted(names)
    canonical = "\n".join(
        [
            method,
            path,
            canonical_query(query),
            "".join(f"{name}:{headers[name].strip()}\n" for name in ordered),
            ";".join(ordered),
            body_hash,
        ]
    )
    return f"{ACS3}\n{hashlib.sha256(canonical.encode()).hexdigest()}"


def sign_acs3(secret: str, text: str) -> str:
    """Sign for ACS3."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
