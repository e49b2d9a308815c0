"""Uploads in parts that are interrupted anywhere, of files that change anyhow.

The law of the keystream is checked at the end of every test; see `tests.support.transfer_scenes`.
"""

import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.support.transfer_scenes import AES, COUNT, PART, PLAIN, SIZE, KilledError, Scene

import cipherbucket as cb

NUMBERS = range(1, COUNT + 1)
# The moment, and the parts that are sent by the next call.
MOMENTS: dict[str, list[int]] = {"begin": [*NUMBERS], "begun": [*NUMBERS]}
for _n in NUMBERS:
    MOMENTS[f"part {_n}"] = [*range(_n, COUNT + 1)]
    MOMENTS[f"in part {_n}"] = [*range(_n, COUNT + 1)]
    MOMENTS[f"sent {_n}"] = [*range(_n + 1, COUNT + 1)]
MOMENTS |= {"complete": [], "completed": []}


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cipherbucket.writing.one_request.time.sleep", lambda _: None)


@pytest.mark.each_value
@pytest.mark.parametrize("moment", MOMENTS)
def test_interrupted_at_any_moment_it_goes_on_with_what_is_missing(
    moving: Scene, moment: str
) -> None:
    moving.interrupted(moment, moving.upload)
    if moment == "begun" and moving.format == "sealed" and moving.store.url.startswith("oss"):
        moving.store.abort_upload(moving.name, lost_upload(moving))

    moving.upload()

    assert moving.wire.sent == MOMENTS[moment]
    assert len(moving.wire.ledger.identities) == 1
    moving.assert_uploaded()


def lost_upload(moving: Scene) -> str:
    """Return the upload that cannot be found again: OSS lists only the fields of its own SDKs."""
    (lost,) = moving.uploads()
    assert moving.store.list_parts(moving.name, lost.upload_id) == []
    return lost.upload_id


@pytest.mark.parametrize("any_store", ["http"], indirect=True)
@pytest.mark.parametrize("moving", ["sealed"], indirect=True)
def test_a_sealed_upload_that_oss_began_and_nobody_wrote_down_is_left_empty(
    moving: Scene,
) -> None:
    moving.interrupted("begun", moving.upload)
    moving.upload()
    assert moving.wire.sent == [*NUMBERS]
    moving.store.abort_upload(moving.name, lost_upload(moving))
    moving.assert_uploaded()


def test_several_interruptions_of_several_threads(moving: Scene) -> None:
    moving.workers = 3
    sent: list[int] = []
    for moment in ("in part 2", "in part 4", "sent 5", "complete"):
        moving.wire.kill_at(moment)
        with suppress(KilledError):  # an earlier call may have gone further
            moving.upload()
            break
        sent += moving.wire.sent
        moving.wire.reset()
    else:
        moving.upload()
    moving.assert_uploaded()
    assert len(moving.wire.ledger.identities) == 1
    assert len(sent) <= COUNT + 3 * moving.workers


def replaced(scene: Scene) -> None:
    """Put another file, of the same size and time, in the place of the file."""
    other = scene.folder / "other"
    other.write_bytes(PLAIN[:5] + b"?" + PLAIN[6:])
    os.utime(other, ns=(10**18, 10**18))
    other.replace(scene.file)


def grown(scene: Scene) -> None:
    with scene.file.open("ab") as file:
        file.write(b"more")


# After "in part 3": parts 1 and 2 were sent, 3 was under way, the others never left.
CHANGES: dict[str, tuple[Callable[[Scene], object], bool]] = {
    "nothing": (lambda scene: None, True),
    "its time": (lambda scene: os.utime(scene.file), True),
    "a byte of a part that was sent": (lambda scene: scene.change(5), False),
    "the last byte of a part that was sent": (lambda scene: scene.change(2 * PART - 1), False),
    "a byte of the part under way": (lambda scene: scene.change(2 * PART + 9), False),
    "a byte of a part that never left": (lambda scene: scene.change(4 * PART), True),
    "the last byte": (lambda scene: scene.change(SIZE - 1), True),
    "another file of the same size and time": (replaced, False),
    "one byte less": (lambda scene: os.truncate(scene.file, SIZE - 1), False),
    "truncated between two parts": (lambda scene: os.truncate(scene.file, 2 * PART), False),
    "truncated to what is put at once": (lambda scene: os.truncate(scene.file, 1000), False),
    "truncated to nothing": (lambda scene: os.truncate(scene.file, 0), False),
    "grown": (grown, False),
}


@pytest.mark.each_pair
@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_changed_while_nobody_looked(moving: Scene, change: str) -> None:
    act, goes_on = CHANGES[change]
    moving.interrupted("in part 3", moving.upload)
    act(moving)

    moving.upload()

    if moving.file.stat().st_size:
        assert (len(moving.wire.ledger.identities) == 1) is goes_on
    assert (moving.wire.sent[:1] == [3]) is goes_on
    moving.assert_uploaded()


WHILE: dict[str, Callable[[Scene], object]] = {
    "truncated": lambda scene: os.truncate(scene.file, 3 * PART),
    "emptied": lambda scene: os.truncate(scene.file, 0),
    "grown": grown,
    "written to": lambda scene: scene.file.write_bytes(PLAIN[::-1]),
    "touched": lambda scene: os.utime(scene.file),
}


@pytest.mark.each_pair
@pytest.mark.parametrize("moment", ["begun", "part 1", "sent 2", f"sent {COUNT}"])
@pytest.mark.parametrize("change", WHILE)
def test_a_file_that_changes_while_it_is_sent_is_no_object(
    moving: Scene, moment: str, change: str
) -> None:
    moving.wire.at = lambda now: WHILE[change](moving) if now == moment else None
    if moment == "begun" and change in {"written to", "touched"}:
        moving.upload()  # nothing had been read of it
    else:
        with pytest.raises(cb.SourceError, match="changed while it was uploaded"):
            moving.upload()
        with pytest.raises(cb.ObjectNotFoundError):
            moving.store.head(moving.name)
    moving.assert_nothing_left()
    moving.wire.reset()
    moving.upload()
    moving.assert_uploaded()


def other_metadata(scene: Scene) -> None:
    scene.upload(metadata={"color": "red"})
    assert scene.store.head(scene.name).metadata["color"] == "red"


def other_headers(scene: Scene) -> None:
    scene.upload(content_type="text/plain")
    assert scene.store.head(scene.name).headers["content-type"] == "text/plain"


def other_label(scene: Scene) -> None:
    key: Any = scene.key
    if scene.format == "sealed":
        scene.key = cb.AesKey(AES, description={"desc": "new"})
    else:
        scene.key = cb.RsaKey(key._private, description={"desc": "new"})
    scene.upload()


def other_writer(scene: Scene) -> None:
    new: Any
    if scene.format == "sealed":
        new = cb.AesKey(bytes(32), description={"desc": "new"})
    else:
        new = cb.RsaKey(rsa.generate_private_key(65537, 2048), description={"desc": "new"})
    scene.upload(scene.bucket(new, scene.key))
    scene.key = new


def wrong_key(scene: Scene) -> None:
    new: Any
    if scene.format == "sealed":
        new = cb.AesKey(bytes(32), description=scene.key.description)
    else:
        pair = rsa.generate_private_key(65537, 2048)
        new = cb.RsaKey(pair, description=scene.key.description)
    scene.upload(scene.bucket(new))
    scene.key = new


OTHERS: dict[str, Callable[[Scene], object]] = {
    "metadata": other_metadata,
    "headers": other_headers,
    "the key's label": other_label,
    "the key that writes": other_writer,
    "a wrong key": wrong_key,
    "resume=False": lambda scene: scene.upload(resume=False),
}


@pytest.mark.each_pair
@pytest.mark.parametrize("other", OTHERS)
def test_another_upload_of_the_same_file_begins_anew(moving: Scene, other: str) -> None:
    moving.interrupted("in part 3", moving.upload)
    OTHERS[other](moving)
    assert moving.wire.sent == [*NUMBERS]
    assert len(moving.wire.ledger.identities) == 2
    moving.assert_uploaded()


@pytest.mark.each_value
@pytest.mark.parametrize("moving", ["sealed"], indirect=True)
@pytest.mark.parametrize("other", ["recipients", "the bucket's recipients", "context", "bind_name"])
def test_another_seal_of_the_same_file_begins_anew(moving: Scene, other: str) -> None:
    moving.interrupted("in part 3", moving.upload)
    friend = cb.AesKey(bytes(32), description={"desc": "friend"})
    if other == "context":
        moving.upload(context={"a": "b"})
        with moving.bucket().get(moving.name, context={"a": "b"}) as stream:
            assert stream.read() == PLAIN
    elif other == "bind_name":
        unbound = moving.bucket(policy=cb.Policy(unbound_names=True))
        info = moving.upload(unbound, bind_name=False)
        assert info.envelope is not None
        assert info.envelope.seal is not None
        assert not info.envelope.seal.binds_name
    else:
        if other == "recipients":
            moving.upload(recipients=[friend])
        else:
            moving.upload(moving.bucket(recipients=[friend]))
        with moving.bucket(friend).get(moving.name) as stream:
            assert stream.read() == PLAIN
    assert len(moving.wire.ledger.identities) == 2
    moving.assert_nothing_left()


def test_another_part_size_goes_on_with_the_old_one(moving: Scene) -> None:
    moving.interrupted("in part 3", moving.upload)
    moving.upload(part_size=2 * PART)
    assert moving.wire.sent == [3, 4, 5]
    moving.assert_uploaded()


def test_with_a_public_half_alone_it_begins_anew_and_says_so_first(
    moving: Scene, key: cb.RsaKey, caplog: pytest.LogCaptureFixture
) -> None:
    public = cb.RsaKey(key._public, description=key.description)
    bucket = moving.bucket(public)
    said: list[str] = []

    def note(moment: str) -> None:
        if moment == "part 1":
            said.append(caplog.text)

    caplog.set_level(logging.WARNING, "cipherbucket")
    moving.interrupted("in part 3", lambda: moving.upload(bucket))
    caplog.clear()
    moving.wire.at = note
    moving.upload(bucket)
    assert "only the public half" in said[0]
    assert moving.wire.sent == [*NUMBERS]
    assert len(moving.wire.ledger.identities) == 2
    moving.key = key
    moving.assert_uploaded()


@pytest.mark.each_pair
@pytest.mark.parametrize("moment", ["in part 2", "completed"])
def test_if_absent_counts_when_the_upload_is_completed(moving: Scene, moment: str) -> None:
    moving.interrupted(moment, lambda: moving.upload(if_absent=True))
    moving.upload(if_absent=True)  # also after "completed": what is there is ours
    moving.assert_uploaded()
    with pytest.raises(cb.PreconditionFailedError):
        moving.upload(if_absent=True)
    moving.assert_uploaded()


def test_an_object_that_came_in_between_is_not_replaced_with_if_absent(moving: Scene) -> None:
    moving.interrupted("in part 3", lambda: moving.upload(if_absent=True))
    moving.put(b"another's")
    with pytest.raises(cb.PreconditionFailedError):
        moving.upload(if_absent=True)
    assert moving.read() == b"another's"
    moving.assert_nothing_left()


def test_an_object_that_replaced_the_completed_one_is_no_proof(moving: Scene) -> None:
    moving.interrupted("completed", moving.upload)
    moving.put(b"another's")
    moving.upload()
    assert moving.wire.sent == [*NUMBERS]
    moving.assert_uploaded()


def test_a_file_that_changed_after_the_completion_is_sent_anew(moving: Scene) -> None:
    moving.interrupted("completed", moving.upload)
    moving.change(4 * PART)
    moving.upload()
    assert moving.wire.sent == [*NUMBERS]
    moving.assert_uploaded()


def test_an_upload_that_somebody_aborted_begins_anew(moving: Scene) -> None:
    moving.interrupted("in part 3", moving.upload)
    (upload,) = moving.uploads()
    moving.store.abort_upload(moving.name, upload.upload_id)
    moving.upload()
    assert len(moving.wire.ledger.identities) == 2
    moving.assert_uploaded()


def test_two_uploads_of_the_same_file_at_once(moving: Scene) -> None:
    under_way, refused = threading.Event(), threading.Event()

    def wait(moment: str) -> None:
        if moment == "in part 2":
            under_way.set()
            assert refused.wait(20)

    moving.wire.at = wait
    first = threading.Thread(target=moving.upload)
    first.start()
    assert under_way.wait(20)
    with pytest.raises(cb.UsageError, match="another process is at this transfer"):
        moving.upload()
    refused.set()
    first.join(20)
    assert moving.wire.sent == [*NUMBERS]
    moving.assert_uploaded()


def test_without_a_folder_for_journals_it_works_and_leaves_nothing(
    moving: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CIPHERBUCKET_STATE", str(moving.file / "below a file"))
    moving.interrupted("in part 3", moving.upload)
    assert "what is interrupted will begin anew" in caplog.text
    moving.assert_nothing_left()
    moving.upload()
    assert moving.wire.sent == [*NUMBERS]
    moving.assert_uploaded()
