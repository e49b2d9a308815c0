"""Where format and keys meet: make an envelope and a cipher for a new object, or from a stored one.

The wrong-key test (docs/format.md, section 6). Unwrapping RSA PKCS#1 v1.5 with a wrong key gives
random bytes, not an error, so three things must hold before a byte is decrypted: the data key has
32 bytes, the IV has 16, and bytes 8 to 11 of the IV are zero. Lengths alone would let one wrong
key in some 60,000 through; with the zeros it is one in 2**48. Which of the three failed is never
told.
"""

from __future__ import annotations

import secrets

from cipherbucket.description import Description
from cipherbucket.errors import EnvelopeError, NoMatchingKeyError, WrongKeyError
from cipherbucket.format.ctr import IV_LENGTH, KEY_LENGTH, Ctr
from cipherbucket.format.envelope import OSS_V1, Envelope, Recipient, decode_v1_start
from cipherbucket.keys.base import MasterKey
from cipherbucket.keys.ring import KeyRing, spelling
from cipherbucket.keys.rsa import RSA_ALGORITHMS
from cipherbucket.policy import Policy

# Known although this version has no key for them: an object under a KMS is no malformed object.
_KNOWN = {algorithm.casefold() for algorithm in RSA_ALGORITHMS} | {"kms/alicloud", "kms"}
_NO_CONTEXT = b""


def seal(
    ring: KeyRing,
    format: str,  # noqa: A002  the word of the documents
    *,
    content_length: int | None = None,
    content_md5: str | None = None,
    data_size: int | None = None,
    part_size: int | None = None,
) -> tuple[Envelope, Ctr]:
    """Draw a data key for a new object and wrap it with the ring's first key.

    Args:
        ring: Its first key writes.
        format: ``oss``.
        content_length: Length of the plaintext in bytes, if known.
        content_md5: Base64 MD5 of the plaintext, if it is to be recorded.
        data_size: For a multipart: length of the plaintext in bytes.
        part_size: For a multipart: length in bytes of every part but the last.

    Raises:
        MasterKeyError: The ring is empty, or its first key does not write this format.
    """
    key = ring.writer()
    algorithm = key.algorithm_for(format)
    data_key = secrets.token_bytes(KEY_LENGTH)
    # Bytes 8 to 11 are zero so that every SDK's seek arithmetic gives the same counter.
    iv = secrets.token_bytes(8) + bytes(4) + secrets.token_bytes(4)
    envelope = Envelope.compose(
        algorithm=algorithm,
        wrapped_key=key.wrap(data_key, algorithm=algorithm, context=_NO_CONTEXT),
        wrapped_iv=key.wrap(iv, algorithm=algorithm, context=_NO_CONTEXT),
        description=Description(key.description),
        content_length=content_length,
        content_md5=content_md5,
        data_size=data_size,
        part_size=part_size,
    )
    return envelope, Ctr(data_key, iv)


def unseal(
    envelope: Envelope, ring: KeyRing, policy: Policy, *, key: MasterKey | None = None
) -> Ctr:
    """Unwrap the data key of a stored object.

    Args:
        envelope: As parsed from the response that brings the body.
        ring: Where the key is looked up by the envelope's description.
        policy: What is accepted.
        key: Use this key, whatever the description says or lacks.

    Raises:
        PolicyError: The object's format or key length is not accepted.
        EnvelopeError: The wrap algorithm is unknown, or the description is damaged.
        NoMatchingKeyError: No key has the description, or ``key`` cannot unwrap the algorithm.
        WrongKeyError: The key does not open the object.
    """
    policy.admit(envelope)
    recipient = envelope.recipients[0]
    master, algorithm = _key_for(recipient, envelope, ring, key)
    assert envelope.wrapped_iv is not None
    # Both are always unwrapped and one line raises: neither work done nor traceback tells more.
    data_key = _unwrapped(master, recipient.wrapped_key, algorithm)
    iv: bytes | None = _unwrapped(master, envelope.wrapped_iv, algorithm)
    if envelope.format == OSS_V1:
        iv = decode_v1_start(iv or b"")
    elif policy.strict_iv and iv is not None and iv[8:12] != bytes(4):
        iv = None
    if data_key is None or len(data_key) != KEY_LENGTH or iv is None or len(iv) != IV_LENGTH:
        raise WrongKeyError(
            f"key {master.id} does not open this object",
            hint="its description names another key than the one that wrote it,"
            " or its envelope was altered; try key= with the right one",
        )
    return Ctr(data_key, iv)


def _unwrapped(master: MasterKey, wrapped: bytes, algorithm: str) -> bytes | None:
    try:
        return master.unwrap(wrapped, algorithm=algorithm, context=_NO_CONTEXT)
    except WrongKeyError:
        return None


def _key_for(
    recipient: Recipient, envelope: Envelope, ring: KeyRing, key: MasterKey | None
) -> tuple[MasterKey, str]:
    algorithm = recipient.algorithm
    if key is not None:
        if spelled := spelling(key, algorithm):
            return key, spelled
        _refuse_unknown(envelope, algorithm)
        raise NoMatchingKeyError(f"the key given cannot unwrap {algorithm[:64]!r}")
    try:
        return ring.find(algorithm, recipient.description)
    except NoMatchingKeyError:
        if not any(spelling(own, algorithm) for own in ring.keys):
            _refuse_unknown(envelope, algorithm)
        raise


def _refuse_unknown(envelope: Envelope, algorithm: str) -> None:
    if algorithm.casefold() not in _KNOWN:
        field = next(name for name, _ in envelope.fields if name.endswith("wrap-alg"))
        raise EnvelopeError(
            f"{field}: {algorithm[:64]!r} is no wrap algorithm that is known here", field=field
        )
