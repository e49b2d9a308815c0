"""After a rotation every official SDK reads the object with the new key, and none with the old.

The objects are of each SDK's own making, put at once and in parts; of those in parts the envelope
tells the sizes that OSS holds them against.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest
from tests.interop.conftest import need
from tests.interop.matrix import PART_SIZE, READERS, WRITERS
from tests.interop.peers import Client, Key, RefusedError, open_ours
from tests.interop.run import Run

import cipherbucket as cb

SIZES = {"small": 70_001, "empty": 0, "parts": 2 * PART_SIZE + 33}
LABEL = {"desc": "key-1"}
"""One description for both keys, so that an SDK tries the old key and does not just miss it."""


@pytest.fixture(scope="module")
def keys() -> tuple[Key, Key]:
    return Key.make(LABEL), Key.make(LABEL)


@contextmanager
def in_parts() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("cipherbucket.objects.store_to_store.THRESHOLD", PART_SIZE)
        yield


def rotated(client: Client, name: str, old: Key, new: Key) -> None:
    """Rewrap under the new key, which takes the old one's description in two steps."""
    with open_ours(replace(client, keys=(old,))) as bucket, in_parts():
        temporary = cb.RsaKey.from_pem(new.private, description={"desc": "between"})
        cb.rotation.rewrap(bucket, name, temporary)
    with open_ours(replace(client, keys=(new,))) as bucket, in_parts():
        now = cb.rotation.rewrap(bucket, name, key=temporary)
    assert now.envelope is not None
    assert now.envelope.recipients[0].description == LABEL


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("verb", ["rewrap", "reencrypt"])
def test_all_read_it_with_the_new_key_and_none_with_the_old(
    run: Run, writer: str, size: str, verb: str, keys: tuple[Key, Key]
) -> None:
    need(writer)
    old, new = keys
    plain = bytes(i * i % 251 for i in range(SIZES[size]))
    name = f"rotated/{verb}/{writer}/{size}"
    writing = replace(run.client, keys=(old,), signature="v4")
    if size == "parts":
        run.peers[writer].multipart(writing, name, plain, PART_SIZE)
    else:
        run.peers[writer].put(writing, name, plain)

    if verb == "rewrap":
        rotated(writing, name, old, new)
    else:
        key = cb.RsaKey.from_pem(old.private, description=LABEL)
        with open_ours(replace(writing, keys=(new,))) as bucket:
            cb.rotation.reencrypt(bucket, name, key=key)

    for reader in READERS:
        need(reader)
        reading = replace(run.client, keys=(new,), signature="v1")
        assert run.peers[reader].get(reading, name) == plain, reader
        if plain:
            assert not opens(run, reader, replace(reading, keys=(old,)), name, plain), reader


def opens(run: Run, reader: str, client: Client, name: str, plain: bytes) -> bool:
    """Tell whether a peer gets the plaintext; some notice nothing, and read something else."""
    with suppress(RefusedError):
        return run.peers[reader].get(client, name) == plain
    return False
