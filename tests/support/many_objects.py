"""Very many objects in a directory store, cheaply.

What a store does to survive a power cut takes most of the time of a put, and is left out here: all
rows of the index come in one transaction, and bodies are plain files without their sidecars.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import cipherbucket as cb
from cipherbucket.stores.local.index import connect
from cipherbucket.stores.local.tables import save_object


def put_many(folder: Path, key: cb.MasterKey, names: Iterable[str]) -> None:
    """Put objects of one byte.

    Args:
        folder: Of a directory store that nobody has open.
        key: Of all objects.
        names: None of them is there yet.
    """
    memory = cb.MemoryStore()
    bucket = cb.Bucket(memory, cb.KeyRing(key), format="sealed")
    with closing(connect(folder / "index.sqlite")) as db:
        db.execute("BEGIN IMMEDIATE")
        for name in names:
            bucket.put(name, b"x")
            with memory.get(name) as incoming:
                stored, body = incoming.stored, bytearray(incoming.stored.size)
                assert incoming.readinto(body) == len(body)
            (folder / "bodies" / stored.etag[:2] / stored.etag).write_bytes(body)
            save_object(db, stored)
            memory.delete(name)
        db.execute("COMMIT")


def list_many(folder: Path, source: str, names: Iterable[str]) -> None:
    """List copies of an object: rows of the index without bodies, which would take 4 KiB each.

    It is enough for what only looks at objects, and opens none.

    Args:
        folder: Of a directory store that nobody has open.
        source: The object.
        names: None of them is there yet.
    """
    with cb.LocalStore(folder) as store:
        original = store.head(source)
    with closing(connect(folder / "index.sqlite")) as db:
        db.execute("BEGIN IMMEDIATE")
        for name in names:
            save_object(db, replace(original, name=name, etag=secrets.token_hex(16)))
        db.execute("COMMIT")
