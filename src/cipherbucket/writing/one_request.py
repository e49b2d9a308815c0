"""Sealing a body and sending it, once or again.

Rule: what is sent again is the same ciphertext, or the body read again and sealed under a new data
key, or an error that says so. The same key and counter never see two plaintexts.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from cipherbucket.envelopes.access import Sealing
from cipherbucket.errors import (
    EnvelopeError,
    ObjectNotFoundError,
    PreconditionFailedError,
    TransientStoreError,
)
from cipherbucket.format.envelope import Envelope
from cipherbucket.stores.bodies import Body
from cipherbucket.stores.records import StoredObject
from cipherbucket.writing.ciphertext import EncryptedSource, Spool
from cipherbucket.writing.source import Source

_log = logging.getLogger("cipherbucket")

ATTEMPTS = 3
"""How often a request is tried when the store fails in a way that may pass."""
PATIENCE = 7
"""How often, when it says that it is asked too fast: some ten seconds in all."""
_FIRST_DELAY = 0.2

Result = TypeVar("Result")
Send = Callable[[Envelope, Body], StoredObject]
Find = Callable[[], StoredObject]


def write(
    seal: Sealing, source: Source, content_md5: str | None, send: Send, find: Find
) -> StoredObject:
    """Seal a source and send it; try again while the store's failure may pass.

    Args:
        seal: Draws a new data key each time it is called.
        source: The plaintext, at its beginning.
        content_md5: Base64 MD5 the plaintext must have, if any.
        send: Puts an envelope and a ciphertext into the store.
        find: Tells what is in the store under the object's name.

    Raises:
        SourceError: The source failed, or would have to be read again and cannot.
        And what sealing and ``send`` raise.
    """
    sent: list[Envelope] = []
    if source.size is not None:
        size = source.size

        def put_attempt(attempt: int) -> StoredObject:
            if attempt > 1:
                source.rewind()
            envelope, cipher = seal(content_length=size, content_md5=content_md5)
            body = EncryptedSource(source, cipher, content_md5)
            return _once(envelope, body, sent, send, find)

        return persist(put_attempt)
    unsized, cipher = seal()
    with Spool(cipher, content_md5) as spool:
        spool.take(source)
        return write_kept(unsized.with_content(spool.plain_size, content_md5), spool, send, find)


def write_kept(envelope: Envelope, ciphertext: Body, send: Send, find: Find) -> StoredObject:
    """Send ciphertext that is kept until it has arrived; the same again, where it must be."""
    sent: list[Envelope] = []
    return persist(lambda _: _once(envelope, ciphertext, sent, send, find))


def _once(
    envelope: Envelope, ciphertext: Body, sent: list[Envelope], send: Send, find: Find
) -> StoredObject:
    try:
        return send(envelope, ciphertext)
    except PreconditionFailedError:
        # An earlier attempt may have been stored although its answer was lost.
        if sent and (stored := _ours(sent, find)) is not None:
            return stored
        raise
    finally:
        sent.append(envelope)


def _ours(sent: list[Envelope], find: Find) -> StoredObject | None:
    """Return the object in the store if it carries one of the envelopes that we sent.

    Envelopes hold a freshly wrapped random key: nobody else has sent the same.
    """
    try:
        stored = find()
        return stored if Envelope.parse(stored.metadata) in sent else None
    except (EnvelopeError, ObjectNotFoundError):
        return None


def persist(attempt_to: Callable[[int], Result]) -> Result:
    """Call with 1, 2, ... until it succeeds, at most `ATTEMPTS` times, waiting longer each time.

    A store that says that it is asked too fast is given more time, and asked `PATIENCE` times.

    Raises:
        What the call raises; a `TransientStoreError` only of the last attempt.
    """
    attempt = 1
    while True:
        try:
            return attempt_to(attempt)
        except TransientStoreError as error:
            if attempt >= (PATIENCE if _too_fast(error) else ATTEMPTS):
                raise
            delay = _FIRST_DELAY * 2 ** (attempt - 1) * random.uniform(0.5, 1)  # noqa: S311  jitter
            _log.warning("%s; trying again in %.1f s", error, delay)
            time.sleep(delay)
        attempt += 1


def _too_fast(error: TransientStoreError) -> bool:
    """Tell whether the store throttles (OSS: ``QpsLimitExceeded`` and its like)."""
    code = error.code or ""
    return error.status == 429 or code == "SlowDown" or code.endswith("LimitExceeded")
