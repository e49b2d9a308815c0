"""Where format and keys meet on writing: an envelope and a cipher for a new object.

Rule: the data key is drawn here, or by the KMS that holds the first master key, for one object, and
wrapped for its recipients; nothing that a store ever returned is sealed under.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence

from cipherbucket.errors import (
    EnvelopeError,
    MasterKeyError,
    UsageError,
    WrongKeyError,
    without_frames,
)
from cipherbucket.format.cipher import ContentCipher
from cipherbucket.format.ctr import KEY_LENGTH, Ctr, is_masked
from cipherbucket.format.description import Description
from cipherbucket.format.envelope import Envelope
from cipherbucket.format.footer import CONTEXT_BOUND, NAME_BOUND, Footer, Seal
from cipherbucket.format.metadata_names import MAX_FIELD, SEALED
from cipherbucket.format.recipient_fields import (
    MAX_RECIPIENTS,
    RECIPIENTS_FIELD,
    Recipient,
    encode_recipients,
    is_algorithm,
    parse_recipients,
)
from cipherbucket.format.sealed import Binding, Sealed, derive, metadata_mac, wrap_context
from cipherbucket.keys.base import DrawsDataKeys, MasterKey, was_wrapped
from cipherbucket.keys.kms.wrap_names import KMS, V1_KMS
from cipherbucket.keys.remote_calls import at_once
from cipherbucket.keys.ring import KeyRing
from cipherbucket.keys.rsa import RSA_ALGORITHMS

OSS_WRAP_ALGORITHMS = frozenset(
    algorithm.casefold() for algorithm in RSA_ALGORITHMS | {KMS, V1_KMS}
)
"""Names of format ``oss`` and ``oss-v1``, folded; never those of sealed objects."""
_NO_CONTEXT = b""


@without_frames
def seal(
    ring: KeyRing,
    format: str,  # noqa: A002  the word of the documents
    *,
    binding: Binding | None = None,
    bind_name: bool = True,
    recipients: Sequence[MasterKey] = (),
    content_length: int | None = None,
    content_md5: str | None = None,
    data_size: int | None = None,
    part_size: int | None = None,
) -> tuple[Envelope, ContentCipher]:
    """Draw a data key for a new object and wrap it with the ring's first key.

    A key that draws data keys (`DrawsDataKeys`) is asked for one.

    Args:
        ring: Its first key writes.
        format: ``oss`` or ``sealed``.
        binding: Format ``sealed``: the object's name and the user's context.
        bind_name: Format ``sealed``: whether the name is bound.
        recipients: Format ``sealed``: further master keys that are to open it.
        content_length: Format ``oss``: length of the plaintext in bytes, if known.
        content_md5: Format ``oss``: base64 MD5 of the plaintext, if it is to be recorded.
        data_size: Format ``oss``, for a multipart: length of the plaintext in bytes.
        part_size: Format ``oss``, for a multipart: length in bytes of every part but the last.

    Raises:
        MasterKeyError: The ring is empty, or a key does not write this format.
        UsageError: More recipients than an object can have, or ones that could not be told apart.
        KmsError: A KMS refused, failed or could not be reached.
    """
    key = ring.writer(format)
    if format == SEALED:
        assert binding is not None
        return _seal_new(key, recipients, binding, bind_name=bind_name)
    algorithm = key.algorithm_for(format)
    # Bytes 8 to 11 are zero so that every SDK's seek arithmetic gives the same counter.
    iv = secrets.token_bytes(8) + bytes(4) + secrets.token_bytes(4)
    (data_key, wrapped_key), wrapped_iv = at_once(
        key,
        lambda: _drawn(key, algorithm, _NO_CONTEXT),
        lambda: key.wrap(iv, algorithm=algorithm, context=_NO_CONTEXT),
    )
    envelope = Envelope.compose(
        algorithm=algorithm,
        wrapped_key=wrapped_key,
        wrapped_iv=wrapped_iv,
        description=Description(key.description),
        content_length=content_length,
        content_md5=content_md5,
        data_size=data_size,
        part_size=part_size,
    )
    return envelope, Ctr(data_key, iv)


def algorithm_of(key: MasterKey) -> str:
    """Return the wrap algorithm that a key seals with, if a reader will take it for one.

    Raises:
        MasterKeyError: It does not seal, or has a name that readers refuse.
    """
    algorithm = key.algorithm_for(SEALED)
    if not is_algorithm(algorithm) or algorithm.casefold() in OSS_WRAP_ALGORITHMS:
        raise MasterKeyError(
            f"{algorithm!r} is no name for a wrap algorithm of the sealed format",
            hint="A-Z, 0-9 and hyphen, at most 64, and none of the names of format 'oss'",
        )
    return algorithm


@without_frames
def wrapped_for(key: MasterKey, data_key: bytes, object_id: bytes) -> Recipient:
    """Wrap a sealed object's data key for one master key.

    Raises:
        MasterKeyError: The key does not write this format.
    """
    algorithm = algorithm_of(key)
    wrapped = key.wrap(data_key, algorithm=algorithm, context=wrap_context(object_id))
    return Recipient(algorithm, wrapped, Description(key.description).text, RECIPIENTS_FIELD)


@without_frames
def rewrapped(envelope: Envelope, key: MasterKey, data_key: bytes, iv: bytes) -> Envelope:
    """Return an envelope of format ``oss`` with its data key and IV wrapped by another master key.

    Raises:
        MasterKeyError: The key does not write this format, does not open what it wrapped, or would
            not be seen to open an object whose IV is random (docs/format.md, section 6).
        KmsError: A KMS refused, failed or could not be reached.
    """
    algorithm = key.algorithm_for(envelope.format)
    wrapped_key, wrapped_iv = at_once(
        key,
        lambda: key.wrap(data_key, algorithm=algorithm, context=_NO_CONTEXT),
        lambda: key.wrap(iv, algorithm=algorithm, context=_NO_CONTEXT),
    )
    opens = at_once(
        key,
        lambda: _opens(key, wrapped_key, data_key, algorithm, _NO_CONTEXT),
        lambda: _opens(key, wrapped_iv, iv, algorithm, _NO_CONTEXT),
    )
    if not all(opens):
        raise _useless(key)
    if getattr(key, "can_unwrap", True) and not is_masked(iv):
        pairs = ((wrapped_key, data_key), (wrapped_iv, iv))
        if not all(was_wrapped(key, *each, algorithm) for each in pairs):
            raise MasterKeyError(
                f"the object's IV is random, and key {key.id} could not tell it from a wrong key's",
                hint="reencrypt the object, which draws a masked IV; or take an RSA or KMS key",
            )
    return envelope.rewrapped(
        algorithm=algorithm,
        wrapped_key=wrapped_key,
        wrapped_iv=wrapped_iv,
        description=Description(key.description),
    )


@without_frames
def check_opens(key: MasterKey, recipient: Recipient, data_key: bytes, object_id: bytes) -> None:
    """See that a key opens what it just wrapped, before anything else is given up for it.

    The public half of a key cannot be asked.

    Raises:
        MasterKeyError: It does not.
    """
    context = wrap_context(object_id)
    if not _opens(key, recipient.wrapped_key, data_key, recipient.algorithm, context):
        raise _useless(key)


def _opens(key: MasterKey, wrapped: bytes, secret: bytes, algorithm: str, context: bytes) -> bool:
    if not getattr(key, "can_unwrap", True):
        return True
    try:
        unwrapped = key.unwrap(wrapped, algorithm=algorithm, context=context)
    except WrongKeyError:
        return False
    return hmac.compare_digest(unwrapped, secret)


def _useless(key: MasterKey) -> MasterKeyError:
    return MasterKeyError(
        f"key {key.id} does not open what it wrapped itself; nothing was changed",
        hint="its private and public halves may not belong together: cipherbucket keys",
    )


@without_frames
def resealed(seal: Seal, recipients: Sequence[Recipient], data_key: bytes) -> Envelope:
    """Return a sealed object's envelope with these recipients and a MAC that fits.

    Raises:
        UsageError: More recipients than an object can have, or ones that could not be told apart.
    """
    encoded = encode_recipients(recipients)
    check_recipients(recipients)
    return Envelope.compose_sealed(seal, recipients, metadata_mac(data_key, seal.encode(), encoded))


def check_recipients(recipients: Sequence[Recipient]) -> None:
    """Refuse recipients that a reader would refuse.

    Raises:
        UsageError: None, too many, more than metadata hold, or two of one algorithm and
            description.
    """
    if len(recipients) > MAX_RECIPIENTS:
        raise UsageError(f"{len(recipients)} recipients; an object has at most {MAX_RECIPIENTS}")
    encoded = encode_recipients(recipients)
    if (length := len(base64.b64encode(encoded))) > MAX_FIELD:
        raise UsageError(
            f"{len(recipients)} recipients take {length:,} bytes of metadata; an envelope"
            f" has room for {MAX_FIELD:,}",
            hint="name fewer, or AES keys, which take less",
        )
    try:
        parse_recipients(encoded)
    except EnvelopeError:
        raise MasterKeyError(
            "two recipients with the same description could not be told apart",
            hint="give each key a description of its own",
        ) from None


def _drawn(key: MasterKey, algorithm: str, context: bytes) -> tuple[bytes, bytes]:
    """Return a new data key, and the same wrapped."""
    if not isinstance(key, DrawsDataKeys):
        data_key = secrets.token_bytes(KEY_LENGTH)
        return data_key, key.wrap(data_key, algorithm=algorithm, context=context)
    data_key, wrapped = key.generate(KEY_LENGTH, algorithm=algorithm, context=context)
    if len(data_key) != KEY_LENGTH:
        raise MasterKeyError(f"key {key.id} drew a data key of another length than {KEY_LENGTH}")
    return data_key, wrapped


def _seal_new(
    key: MasterKey, others: Sequence[MasterKey], binding: Binding, *, bind_name: bool
) -> tuple[Envelope, Sealed]:
    if len(others) >= MAX_RECIPIENTS:  # before any of them is asked to wrap
        raise UsageError(f"{len(others) + 1} recipients; an object has at most {MAX_RECIPIENTS}")
    object_id, salt = secrets.token_bytes(16), secrets.token_bytes(24)
    algorithm = algorithm_of(key)
    for each in others:  # refused while there is no data key in any frame
        algorithm_of(each)
    data_key, wrapped = _drawn(key, algorithm, wrap_context(object_id))
    first = Recipient(algorithm, wrapped, Description(key.description).text, RECIPIENTS_FIELD)
    recipients = (first, *(wrapped_for(each, data_key, object_id) for each in others))
    check_recipients(recipients)
    flags = (NAME_BOUND if bind_name else 0) | (CONTEXT_BOUND if binding.context else 0)
    footer = Footer(flags, object_id, binding.name if bind_name else None, recipients).encode()
    footer_hash = hashlib.sha256(footer).digest()
    context = binding.encode(flags, footer_hash)
    chunk_key, base_nonce, commitment = derive(data_key, salt, context)
    record = Seal(flags, len(footer), object_id, footer_hash, salt, commitment)
    cipher = Sealed(chunk_key, base_nonce, record, footer)
    return resealed(record, recipients, data_key), cipher
