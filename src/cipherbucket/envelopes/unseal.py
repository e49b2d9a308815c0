"""Where format and keys meet on reading: the data key of a stored object, checked before its use.

Rule: no byte is decrypted before the data key passed the wrong-key test of its format.

That of ``oss`` (docs/format.md, section 6). Unwrapping RSA PKCS#1 v1.5 with a wrong key gives bytes
that look random, not an error, so three things must hold before a byte is decrypted: the data key
has 32 bytes, the IV has 16, and both were wrapped with the master key, as far as that one knows.
Where it does not know, bytes 8 to 11 of the IV must be zero, as most writers mask them. Lengths
alone would let one wrong key in some 60,000 through; with the third it is one in 2**46 or fewer. No
error says which of the three failed.

That of ``sealed`` (section 14.6): the commitment, which depends on the data key and on all that the
object is bound to, then the MAC over the metadata.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from cipherbucket.envelopes.policy import Policy
from cipherbucket.envelopes.seal import OSS_WRAP_ALGORITHMS
from cipherbucket.errors import (
    BindingError,
    EnvelopeError,
    IntegrityError,
    NoMatchingKeyError,
    PolicyError,
    SecurityError,
    WrongKeyError,
    not_copied,
    without_frames,
)
from cipherbucket.format.cipher import OBJECT_AGAIN
from cipherbucket.format.ctr import IV_LENGTH, KEY_LENGTH, Ctr, is_masked
from cipherbucket.format.description import Description
from cipherbucket.format.envelope import Envelope
from cipherbucket.format.footer import MAC_FIELD, Seal
from cipherbucket.format.metadata_names import OSS_V1
from cipherbucket.format.recipient_fields import Recipient, encode_recipients
from cipherbucket.format.sealed import Binding, Sealed, derive, metadata_mac, wrap_context
from cipherbucket.format.texts import decode_v1_start
from cipherbucket.keys.aes import KWP
from cipherbucket.keys.base import MasterKey, was_wrapped
from cipherbucket.keys.kms.wrap_names import SEALED_KMS
from cipherbucket.keys.remote_calls import at_once
from cipherbucket.keys.ring import KeyRing, spelling
from cipherbucket.keys.rsa import OAEP_SHA256

_OF_SEALED = {OAEP_SHA256, KWP, SEALED_KMS}
_NO_CONTEXT = b""
_UNJUDGED = "; or its IV is random, which takes a key that has was_wrapped (docs/keys.md)"


@dataclass(frozen=True, repr=False)
class Opened:
    """A sealed object's cipher, its data key, and the recipient that led to it."""

    cipher: Sealed
    data_key: bytes
    recipient: Recipient

    __reduce__ = not_copied("a data key", OBJECT_AGAIN)


@without_frames
def unseal(
    envelope: Envelope,
    ring: KeyRing,
    policy: Policy,
    *,
    key: MasterKey | None = None,
    binding: Binding | None = None,
) -> Ctr | Sealed:
    """Unwrap the data key of a stored object.

    Args:
        envelope: As parsed from the response that brings the body.
        ring: Where the key is looked up by the envelope's description.
        policy: What is accepted.
        key: Use this key, whatever the description says or lacks.
        binding: Format ``sealed``: the name that was asked for and the user's context.

    Raises:
        PolicyError: The object's format, key length or IV is not accepted.
        EnvelopeError: The wrap algorithm is unknown, or the description is damaged.
        NoMatchingKeyError: No key has the description, or ``key`` cannot unwrap the algorithm.
        WrongKeyError: The key does not open the object.
        KmsError: The KMS that holds the key refused, failed or could not be reached.
        BindingError: It was sealed under another name or context.
        IntegrityError: The recipients of a sealed object were altered.
    """
    if envelope.seal is not None:
        return open_sealed(envelope, ring, policy, key=key, binding=binding).cipher
    return open_oss(envelope, ring, policy, key=key)


@without_frames
def open_oss(
    envelope: Envelope, ring: KeyRing, policy: Policy, *, key: MasterKey | None = None
) -> Ctr:
    """Return the cipher of an object in format ``oss`` or ``oss-v1``.

    Arguments and errors as `unseal`.
    """
    return Ctr(*unwrap_oss(envelope, ring, policy, key=key))


@without_frames
def unwrap_oss(
    envelope: Envelope, ring: KeyRing, policy: Policy, *, key: MasterKey | None = None
) -> tuple[bytes, bytes]:
    """Unwrap data key and IV of an object in format ``oss`` or ``oss-v1``, also to wrap them anew.

    Arguments and errors as `unseal`.
    """
    policy.admit(envelope)
    recipient = envelope.recipients[0]
    _refuse_sealed_wrap(recipient)
    master, algorithm = _key_for(recipient, envelope, ring, key)
    wrapped_iv = envelope.wrapped_iv
    assert wrapped_iv is not None
    # Both are always unwrapped and judged, nothing in between branches on what came, and one line
    # raises: neither time nor traceback shows which failed, or whether a padding was good.
    (data_key, of_key), (iv, of_iv) = at_once(
        master,
        lambda: _judged(master, recipient.wrapped_key, algorithm),
        lambda: _judged(master, wrapped_iv, algorithm),
    )
    masked = is_masked(iv)
    if envelope.format == OSS_V1:
        iv, masked = decode_v1_start(iv) or b"", True
    were_wrapped = (of_key is True) & (of_iv is True)
    were_not = (of_key is False) | (of_iv is False)
    lengths = (len(data_key) == KEY_LENGTH) & (len(iv) == IV_LENGTH)
    if not lengths & (not were_not) & (were_wrapped | masked):
        raise _wrong_key(master, _UNJUDGED * (not hasattr(master, "was_wrapped")))
    if policy.strict_iv and not masked:
        raise PolicyError(
            "the object's IV is random in all its 16 bytes, and this bucket reads only masked ones,"
            " whose bytes 8 to 11 are zero",
            hint="open it without strict_iv (Policy, or the rule of cipherbucket.toml)",
        )
    return data_key, iv


def _judged(master: MasterKey, wrapped: bytes, algorithm: str) -> tuple[bytes, bool | None]:
    """Unwrap, and return whether what came was ever wrapped; None where the key cannot know."""
    secret = _unwrapped(master, wrapped, algorithm, _NO_CONTEXT)
    if secret is None:
        return b"", False
    return secret, was_wrapped(master, wrapped, secret, algorithm)


@without_frames
def open_sealed(
    envelope: Envelope,
    ring: KeyRing,
    policy: Policy,
    *,
    key: MasterKey | None = None,
    binding: Binding | None = None,
) -> Opened:
    """Unwrap the data key of a sealed object, also to wrap it anew.

    Arguments and errors as `unseal`.
    """
    policy.admit(envelope)
    assert envelope.seal is not None
    seal = envelope.seal
    bound = binding if binding is not None else Binding("")
    if seal.binds_context and not bound.context:
        raise BindingError(
            "the object is bound to a context and none was given",
            hint="give the pairs it was written with: context={...}",
        )
    if bound.context and not seal.binds_context:
        raise BindingError(
            "a context was given and the object is bound to none", hint="leave out context="
        )
    # Raised here, where no frame holds the data key: reporters of errors record local variables.
    opened = _opened(envelope, seal, bound, ring, key)
    if isinstance(opened, SecurityError):
        raise opened
    return opened


def _opened(
    envelope: Envelope, seal: Seal, bound: Binding, ring: KeyRing, key: MasterKey | None
) -> Opened | SecurityError:
    """Unwrap, derive and compare; return what is wrong rather than raise it."""
    master, recipient, data_key = _data_key_of(envelope, ring, key)
    chunk_key, nonce, commitment = derive(
        data_key, seal.salt, bound.encode(seal.flags, seal.footer_hash)
    )
    fits = hmac.compare_digest(commitment, seal.commitment)
    if envelope.mac is None:  # from the body, where the commitment covers the recipients
        authentic = False
    else:
        mac = metadata_mac(data_key, seal.encode(), encode_recipients(envelope.recipients))
        authentic = hmac.compare_digest(mac, envelope.mac)
    if not fits:
        if authentic:
            return _other_binding(seal.binds_context)
        blind = envelope.mac is None and seal.binds_context
        return _wrong_key(master, "; or the context is not what it was written with" * blind)
    if not authentic and envelope.mac is not None:
        return IntegrityError(
            f"{MAC_FIELD}: the recipients are not those that an owner of the object wrote",
            hint="someone altered the metadata; cipherbucket repair restores the recipients of the"
            " day it was sealed, those removed since among them",
        )
    return Opened(Sealed(chunk_key, nonce, seal), data_key, recipient)


def _data_key_of(
    envelope: Envelope, ring: KeyRing, key: MasterKey | None
) -> tuple[MasterKey, Recipient, bytes]:
    """Unwrap the data key with the one key that the ring has for it, or with ``key``."""
    assert envelope.seal is not None
    context = wrap_context(envelope.seal.object_id)
    pairs = [_match(envelope, ring)] if key is None else _candidates(envelope, key)
    for master, recipient in pairs:
        data_key = _unwrapped(master, recipient.wrapped_key, recipient.algorithm, context)
        if data_key is not None and len(data_key) == KEY_LENGTH:
            return master, recipient, data_key
    raise _wrong_key(master)


def _match(envelope: Envelope, ring: KeyRing) -> tuple[MasterKey, Recipient]:
    """Find the first recipient whose key is in the ring; only then call the ring's ``fetch``."""
    public: tuple[MasterKey, Recipient] | None = None
    for recipient in envelope.recipients:
        for master in ring.keys:
            if is_recipient(recipient, master):
                if getattr(master, "can_unwrap", True):
                    return master, recipient
                # A public half in the ring writes for a partner; it is no reason not to read.
                public = public or (master, recipient)
    if public is not None:
        return public
    return _fetched_match(envelope, ring)


def is_recipient(recipient: Recipient, key: MasterKey | Recipient) -> bool:
    """Return whether a recipient has a key's algorithm and description, or is this very one."""
    if isinstance(key, Recipient):
        return (recipient.algorithm, recipient.wrapped_key) == (key.algorithm, key.wrapped_key)
    algorithm = recipient.algorithm
    if algorithm not in key.algorithms or algorithm.casefold() in OSS_WRAP_ALGORITHMS:
        return False
    with suppress(EnvelopeError):  # a damaged description is no key's
        return recipient.description == Description(key.description)
    return False


def _fetched_match(envelope: Envelope, ring: KeyRing) -> tuple[MasterKey, Recipient]:
    failures: list[EnvelopeError | NoMatchingKeyError] = []
    for recipient in envelope.recipients:
        try:
            if recipient.algorithm.casefold() in OSS_WRAP_ALGORITHMS:
                raise _foreign(recipient)
            master, _ = ring.find(recipient.algorithm, recipient.description)
        except (EnvelopeError, NoMatchingKeyError) as error:
            failures.append(error)
        else:
            return master, recipient
    if len(failures) == 1:
        raise failures[0]
    theirs = "; ".join(_label(each) for each in envelope.recipients)
    ours = "; ".join(dict.fromkeys(str(Description(key.description)) for key in ring.keys))
    raise NoMatchingKeyError(
        f"none of the object's {len(failures)} recipients ({theirs}) is a key of the ring, which"
        f" holds: {ours or 'no keys'}",
        hint="add one of these keys, or, if you know the key, read with key=",
    )


def _label(recipient: Recipient) -> str:
    try:
        return str(recipient.description)
    except EnvelopeError:
        return f"damaged: {recipient.description_text[:64]!a}"


def _candidates(envelope: Envelope, key: MasterKey) -> Iterator[tuple[MasterKey, Recipient]]:
    fitting = [each for each in envelope.recipients if each.algorithm in key.algorithms]
    if not fitting or fitting[0].algorithm.casefold() in OSS_WRAP_ALGORITHMS:
        wanted = ", ".join(sorted({each.algorithm for each in envelope.recipients}))
        raise NoMatchingKeyError(f"the key given cannot unwrap {wanted}")
    yield from ((key, recipient) for recipient in fitting)


def _other_binding(binds_context: bool) -> BindingError:
    context = " or context" if binds_context else ""
    return BindingError(
        f"the object was sealed under another name{context}",
        hint="someone moved it; if you know that it is yours, read it with as_name=",
    )


def _wrong_key(master: MasterKey, more: str = "") -> WrongKeyError:
    return WrongKeyError(
        f"key {master.id} does not open this object",
        hint="its description names another key than the one that wrote it,"
        " or its envelope was altered; try key= with the right one" + more,
    )


def _unwrapped(master: MasterKey, wrapped: bytes, algorithm: str, context: bytes) -> bytes | None:
    try:
        return master.unwrap(wrapped, algorithm=algorithm, context=context)
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


def _refuse_sealed_wrap(recipient: Recipient) -> None:
    if recipient.algorithm.upper() in _OF_SEALED:
        raise EnvelopeError(
            f"wrap algorithm {recipient.algorithm!r} belongs to the sealed format",
            field=recipient.description_field.replace("matdesc", "wrap-alg"),
            hint="someone pasted parts of a sealed object; restore it from a trusted copy",
        )


def _refuse_unknown(envelope: Envelope, algorithm: str) -> None:
    if algorithm.casefold() not in OSS_WRAP_ALGORITHMS:
        field = next(name for name, _ in envelope.fields if name.endswith("wrap-alg"))
        raise EnvelopeError(
            f"{field}: {algorithm[:64]!r} is no wrap algorithm that is known here", field=field
        )


def _foreign(recipient: Recipient) -> NoMatchingKeyError:
    return NoMatchingKeyError(f"{recipient.algorithm!r} is no wrap algorithm of the sealed format")
