"""Sealing a body and sending it, once or again.

Law: what is sent again is the same ciphertext, or the body read again and sealed under a new data
key, or an error that says so. The same key and counter never see two plaintexts.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from cipherbucket.errors import TransientStoreError
from cipherbucket.format.envelope import Envelope
from cipherbucket.keys.ring import KeyRing
from cipherbucket.seal import seal
from cipherbucket.source import EncryptedSource, Source, Spool
from cipherbucket.stores.bodies import Body
from cipherbucket.stores.objects import StoredObject

_log = logging.getLogger("cipherbucket")

ATTEMPTS = 3
"""How often a write is tried when the store fails in a way that may pass."""
_FIRST_DELAY = 0.2

Result = TypeVar("Result")
Send = Callable[[Envelope, Body], StoredObject]


def write(
    ring: KeyRing,
    format: str,  # noqa: A002  the word of the documents
    source: Source,
    content_md5: str | None,
    send: Send,
) -> StoredObject:
    """Seal a source and send it; try again while the store's failure may pass.

    Args:
        ring: Its first key writes.
        format: The format of the new object.
        source: The plaintext, at its beginning.
        content_md5: Base64 MD5 the plaintext must have and that is recorded, if any.
        send: Puts an envelope and a ciphertext into the store.

    Raises:
        SourceError: The source failed, or would have to be read again and cannot.
        And what sealing and ``send`` raise.
    """
    if source.size is not None:
        size = source.size

        def sealed_anew(attempt: int) -> StoredObject:
            if attempt > 1:
                source.rewind()
            envelope, cipher = seal(ring, format, content_length=size, content_md5=content_md5)
            return send(envelope, EncryptedSource(source, cipher, content_md5))

        return persist(sealed_anew)
    unsized, cipher = seal(ring, format)
    with Spool(source, cipher, content_md5) as spool:
        envelope = unsized.with_content(len(spool), content_md5)
        return persist(lambda _: send(envelope, spool))


def persist(attempt_to: Callable[[int], Result]) -> Result:
    """Call with 1, 2, ... until it succeeds, at most `ATTEMPTS` times, waiting longer each time.

    Raises:
        What the call raises; a `TransientStoreError` only of the last attempt.
    """
    attempt = 1
    while True:
        try:
            return attempt_to(attempt)
        except TransientStoreError as error:
            if attempt == ATTEMPTS:
                raise
            delay = _FIRST_DELAY * 2 ** (attempt - 1) * random.uniform(0.5, 1)  # noqa: S311  jitter
            _log.warning("%s; trying again in %.1f s", error, delay)
            time.sleep(delay)
        attempt += 1
