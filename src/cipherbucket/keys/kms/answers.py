"""What a KMS answers, in words of ours: its error codes, its base64, its texts.

Rule: the service's own messages are shown to nobody. One of them repeats what was sent.
"""

from __future__ import annotations

import base64
import binascii

from cipherbucket.text import printable

MAX_BLOB = 8192
"""Most characters of a ``CiphertextBlob``; the metadata of an object holds no more."""
_LONGEST_QUOTE = 200


class NoAnswerError(Exception):
    """No answer came, or none that a KMS gives.

    Attributes:
        text: What happened; "the KMS at ..." stands before it.
        hint: What to do next.
        again: Whether it may go well the next time.
    """

    def __init__(self, text: str, *, hint: str = "", again: bool = False) -> None:
        super().__init__(text)
        self.text = text
        self.hint = hint or (
            "check the region or endpoint, the network and its proxy; whether the key is the right"
            " one is not known"
        )
        self.again = again


NOT_THIS_CIPHERTEXT = (
    "Forbidden.KeyNotFound",
    "Forbidden.KeyVersionNotFound",
    "InvalidCiphertext",
    "InvalidParameter",  # of Decrypt's parameters, both are the object's: blob and context
    "UnsupportedOperation",  # the key that the blob names is one for signatures
)
"""What `Decrypt` answers where the blob, or its context, is not what this account encrypted."""
KEY_NOT_FOUND = ("Forbidden.KeyNotFound", "Forbidden.AliasNotFound")
_BY_CODE: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (
        ("Rejected.Disabled", "Rejected.PendingDeletion", "Rejected.Unavailable"),
        "the KMS key is disabled, or about to be deleted",
        "enable it in the KMS console, or cancel its deletion; its objects open again then",
    ),
    (("InvalidAccessKeyId",), "the access key is unknown", "check OSS_ACCESS_KEY_ID"),
    (
        ("SignatureDoesNotMatch", "IncompleteSignature"),
        "the signature does not match",
        "check OSS_ACCESS_KEY_SECRET",
    ),
    (
        ("InvalidSecurityToken", "MissingSecurityToken"),
        "the security token is not accepted",
        "it may have expired: get a new one, or give credentials= as a provider that does",
    ),
    (("InvalidTimeStamp", "IllegalTimestamp"), "this machine's clock is wrong", "set the clock"),
    (
        ("Forbidden", "NoPermission"),
        "the KMS forbids it",
        "the access key needs kms:GenerateDataKey, Encrypt, Decrypt, and DescribeKey for aliases",
    ),
)


def explained(code: str, status: int, *, throttled: bool) -> tuple[str, str]:
    """Return what an error of the service means, and what to do next."""
    if throttled:
        return (
            "the KMS throttled every try",
            "make fewer calls at once, or ask for a higher quota; patience= waits longer",
        )
    for codes, text, hint in _BY_CODE:
        if code.startswith(codes):
            return text, hint
    if status >= 500:
        return "the KMS failed", "try again later; whether the key is the right one is not known"
    if not code:
        return (
            "what answers is no KMS, or something on the way",
            "check that the endpoint is that of a KMS, and what the proxy says",
        )
    return "the KMS refused", "look the code up in the KMS documents"


def decoded(text: str) -> bytes | None:
    """Decode canonical base64; None for any other text, and for no bytes."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if data and base64.b64encode(data).decode() == text else None


def quoted(words: object) -> str:
    """Return a service's words, cut and printable: they go to logs and terminals."""
    return printable(str(words or "")[:_LONGEST_QUOTE])
