"""Metadata of envelopes that parse, to be bent by tests."""

import base64

V2 = "client-side-encryption-"
V1 = "oss-crypto-"

KEY = base64.b64encode(b"wrapped key").decode()
START = base64.b64encode(b"wrapped iv").decode()
MD5 = "1B2M2Y8AsgTpgAmY7PhCfg=="


def v2(**fields: str | None) -> dict[str, str]:
    """Return V2 metadata; names without their prefix, None takes a field away."""
    texts = {
        "key": KEY,
        "start": START,
        "cek-alg": "AES/CTR/NoPadding",
        "wrap-alg": "RSA/NONE/PKCS1Padding",
        **fields,
    }
    return {V2 + name: text for name, text in texts.items() if text is not None}


def v1(**fields: str | None) -> dict[str, str]:
    """Return V1 metadata; full names, None takes a field away."""
    texts = {
        "oss-crypto-key": KEY,
        "oss-crypto-start": base64.b64encode(b"8").decode(),
        "oss-cek-alg": "AES/GCM/NoPadding",
        "oss-wrap-alg": "rsa",
        **fields,
    }
    return {name: text for name, text in texts.items() if text is not None}
