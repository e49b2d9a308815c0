"""Somebody else writes while an object is rewrapped: before every single request.

Rule: their change stays. In OSS, which takes no condition with a write, a moment remains between
the last look and the write (docs/rotation.md); what is lost there is theirs or ours, never both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from tests.support.rotation_scenes import (
    FORMATS,
    LARGE,
    METADATA,
    MOMENTS,
    SMALL,
    THEIRS,
    LikeOss,
    Requests,
    Scene,
    key_for,
    labels,
    small_parts,
)

import cipherbucket as cb
from cipherbucket.stores.base import Store

MEANWHILE = (cb.ObjectChangedError, cb.PreconditionFailedError, cb.ObjectNotFoundError)


@pytest.fixture(params=["memory", "like oss", "file", "http"])
def any_kind(request: pytest.FixtureRequest) -> Iterator[Store]:
    """Return a store of each kind, and one in memory with OSS's rule and real conditions."""
    if request.param == "like oss":
        yield LikeOss()
        return
    if request.param == "http":
        store = request.getfixturevalue("open_endpoint")()
    elif request.param == "file":
        store = cb.open_store(f"file://{request.getfixturevalue('tmp_path')}/store")
    else:
        store = cb.MemoryStore()
    with store:
        for entry in store.list().entries:
            store.delete(entry.name)
        yield store


@pytest.fixture(params=FORMATS)
def scene(
    request: pytest.FixtureRequest, any_kind: Store, monkeypatch: pytest.MonkeyPatch
) -> Scene:
    small_parts(monkeypatch)
    monkeypatch.setattr("cipherbucket.writing.one_request.time.sleep", lambda _: None)
    return Scene(any_kind, request.param)


def replaced(scene: Scene) -> None:
    scene.bucket().put(scene.name, THEIRS, metadata={"by": "them"})


def deleted(scene: Scene) -> None:
    scene.bucket().delete(scene.name)


def relabelled(scene: Scene) -> None:
    """Replace the user's metadata, as any tool can that goes by the store's own rules."""
    stored = scene.store.head(scene.name)
    metadata = {**stored.metadata, "owner": "them"}
    if scene.store.fixed_metadata and scene.format == "oss":
        body = scene.store.get(scene.name)
        data = bytearray(body.stop)
        body.readinto(data)
        scene.store.put(scene.name, data, metadata=metadata, headers=stored.headers)
    else:
        scene.store.replace_metadata(scene.name, metadata=metadata, headers=stored.headers)


def retyped(scene: Scene) -> None:
    """Replace a content header."""
    stored = scene.store.head(scene.name)
    headers = {**stored.headers, "content-type": "text/theirs"}
    if scene.store.fixed_metadata and scene.format == "oss":
        body = scene.store.get(scene.name)
        data = bytearray(body.stop)
        body.readinto(data)
        scene.store.put(scene.name, data, metadata=stored.metadata, headers=headers)
    else:
        scene.store.replace_metadata(scene.name, metadata=stored.metadata, headers=headers)


def joined(scene: Scene) -> None:
    cb.recipients.add(scene.bucket(scene.old, scene.new), scene.name, key_for("sealed", "third"))


def theirs_stayed(scene: Scene, change: Callable[[Scene], None]) -> bool:
    """Tell whether there is what they made of it, all else intact."""
    if change is deleted:
        return not scene.bucket().exists(scene.name)
    info = scene.bucket().head(scene.name)
    plain = scene.read()
    if change is replaced:
        return plain == THEIRS and dict(info.metadata) == {"by": "them"}
    assert plain == scene.plain
    if change is relabelled:
        return info.metadata["owner"] == "them"
    assert dict(info.metadata) == METADATA
    if change is retyped:
        return info.content_type == "text/theirs"
    return "third" in labels(info)


CHANGES = [replaced, deleted, relabelled, retyped, joined]


@pytest.mark.each_pair
@pytest.mark.parametrize("plain", [SMALL, LARGE], ids=["small", "parts"])
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("verb", ["rewrap", "reencrypt"])
def test_their_change_stays_whenever_it_comes(
    scene: Scene, change: Callable[[Scene], None], plain: bytes, verb: str
) -> None:
    if change is joined and scene.format == "oss":
        scene.put(plain)
        with pytest.raises(cb.PolicyError):
            joined(scene)
        return
    requests = Requests(scene.store)
    moments = set() if scene.store.conditional else MOMENTS
    last = 1
    for number in range(1, 40):
        scene.put(plain)
        requests.forget()

        def meddle(now: int, _: str, number: int = number) -> None:
            if now == number:
                change(scene)

        requests.before = meddle
        keys = (scene.new, scene.old, key_for(scene.format, "third"))
        try:
            bucket = scene.bucket(*keys)
            if verb == "rewrap":
                cb.rotation.rewrap(bucket, scene.name, workers=1)
            else:
                cb.rotation.reencrypt(bucket, scene.name)
            failed = False
        except MEANWHILE:
            failed = True
        came, what = len(requests.names) >= number, requests.names[:number][-1]
        requests.forget()
        assert scene.store.list_uploads() == []
        if not came:
            break
        last = number
        if not theirs_stayed(scene, change):
            assert what in moments, what
            assert scene.read() == plain  # then ours is there, whole
        else:
            assert failed or change is not deleted or number == 1 or what in MOMENTS
    assert not came
    assert last >= 2
