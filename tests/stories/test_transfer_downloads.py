"""Downloads in ranges that are interrupted anywhere, of objects that change, to disks that fill."""

import errno
import os
import random
from collections.abc import Callable
from pathlib import Path

import alibabacloud_oss_v2 as sdk
import pytest
from tests.support.transfer_scenes import COUNT, PART, PLAIN, SIZE, KilledError, Scene, Wire

import cipherbucket as cb
from cipherbucket.server import Endpoint

OTHER = random.Random(9).randbytes(SIZE)
NUMBERS = range(1, COUNT + 1)
# The moment, and how many ranges the next call fetches.
MOMENTS = {}
for _n in NUMBERS:
    MOMENTS[f"get {_n}"] = COUNT + 1 - _n
    MOMENTS[f"in get {_n}"] = COUNT + 1 - _n


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("cipherbucket.writing.one_request", "cipherbucket.stores.http.resuming_body"):
        monkeypatch.setattr(f"{place}.time.sleep", lambda _: None)


def requests_of(missing: int) -> int:
    """Return how many requests fetch so many ranges; the first one tells of the object, too."""
    return missing + (missing < COUNT)


def stored_of(ranges: int) -> int:
    """Return about how many bytes so many ranges take, the last one among them."""
    return (ranges - 1) * PART + SIZE % PART if ranges else 0


@pytest.mark.each_value
@pytest.mark.parametrize("moment", MOMENTS)
def test_interrupted_at_any_moment_it_goes_on_with_what_is_missing(
    moving: Scene, moment: str
) -> None:
    moving.put()
    moving.interrupted(moment, moving.download)
    assert not moving.out.exists()
    for path in moving.folder.glob(".cipherbucket-*"):
        assert path.stat().st_mode & 0o777 == 0o600

    moving.download()

    assert moving.wire.gets == requests_of(MOMENTS[moment])
    assert 0 <= moving.wire.fetched - stored_of(MOMENTS[moment]) < 3_000
    moving.assert_downloaded()


def test_several_interruptions_of_several_threads(moving: Scene) -> None:
    moving.put()
    moving.workers = 3
    fetched = 0
    for moment in ("in get 2", "in get 2", "get 2"):
        moving.wire.kill_at(moment)
        with pytest.raises(KilledError):
            moving.download()
        fetched += moving.wire.fetched
        moving.wire.reset()
    moving.download()
    assert fetched + moving.wire.fetched <= SIZE + 3 * moving.workers * PART
    moving.assert_downloaded()


@pytest.mark.each_pair
@pytest.mark.parametrize("moment", ["get 2", "get 3", f"get {COUNT}"])
@pytest.mark.parametrize("change", ["overwritten", "alike", "shorter", "plain", "deleted"])
def test_an_object_that_changes_between_two_ranges_is_no_file(
    moving: Scene, moment: str, change: str
) -> None:
    moving.put()
    moving.out.write_bytes(b"before")

    def act(now: str) -> None:
        if now != moment:
            return
        moving.wire.at = lambda _: None
        if change == "deleted":
            moving.store.delete(moving.name)
        elif change == "plain":
            moving.store.put(moving.name, OTHER)
        else:
            bodies = {"overwritten": OTHER, "alike": PLAIN, "shorter": OTHER[:1000]}
            moving.bucket().put(moving.name, bodies[change])

    moving.wire.at = act
    with pytest.raises(cb.ObjectChangedError):
        moving.download()
    moving.assert_downloaded(b"before")


@pytest.mark.each_pair
@pytest.mark.parametrize("change", ["overwritten", "alike", "short", "deleted"])
def test_an_object_that_changed_while_nobody_looked_is_fetched_anew(
    moving: Scene, change: str
) -> None:
    moving.put()
    moving.interrupted("in get 3", moving.download)
    if change == "deleted":
        moving.store.delete(moving.name)
        with pytest.raises(cb.ObjectNotFoundError):
            moving.download()
        assert not moving.out.exists()
        return
    plain = {"overwritten": OTHER, "alike": PLAIN, "short": b"at once"}[change]
    moving.put(plain)
    moving.download()
    if change != "short":
        assert moving.wire.gets == COUNT
    moving.assert_downloaded(plain)


def test_another_object_to_the_same_file_is_fetched_anew(moving: Scene) -> None:
    moving.put()
    moving.interrupted("in get 3", moving.download)
    moving.name += "/other"
    moving.put(OTHER)
    moving.download()
    moving.assert_downloaded(OTHER)


def test_another_object_while_the_versions_stay_is_read_to_its_end(
    key: cb.RsaKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cipherbucket.transfers.files.THRESHOLD", 64 << 10)
    with Endpoint(buckets=["versions"]) as endpoint:
        config = sdk.config.load_default()
        config.region, config.endpoint = endpoint.region, endpoint.url
        config.credentials_provider = sdk.credentials.StaticCredentialsProvider(
            endpoint.access_key_id, endpoint.access_key_secret
        )
        sdk.Client(config).put_bucket_versioning(
            sdk.PutBucketVersioningRequest(
                bucket="versions",
                versioning_configuration=sdk.VersioningConfiguration(status="Enabled"),
            )
        )
        settings = cb.OssSettings(
            region=endpoint.region,
            endpoint=endpoint.url,
            credentials=cb.Credentials(endpoint.access_key_id, endpoint.access_key_secret),
        )
        with cb.open_store("oss://versions", settings) as store:
            scene = Scene(Wire(store), "oss", key, "versioned", tmp_path)
            scene.put()
            scene.wire.at = _once("get 3", lambda: scene.bucket().put("versioned", OTHER))
            scene.download()
            scene.assert_downloaded(PLAIN)
            scene.wire.reset()
            versions = [each.version_id for each in scene.store.list_versions("versioned")]
            scene.interrupted("in get 3", lambda: scene.download(version_id=versions[1]))
            scene.download(version_id=versions[0])
            assert scene.wire.gets == COUNT
            scene.assert_downloaded(OTHER)


def _once(moment: str, act: Callable[[], object]) -> Callable[[str], None]:
    left = [moment]

    def at(now: str) -> None:
        if [now] == left:
            left.clear()
            act()

    return at


def damage(scene: Scene) -> None:
    (path,) = scene.folder.glob(".cipherbucket-*.part")
    with path.open("r+b") as file:
        file.seek(PART + 7)
        file.write(b"\0" if PLAIN[PART + 7] else b"\1")


def lengthen(scene: Scene) -> None:
    (path,) = scene.folder.glob(".cipherbucket-*.part")
    os.truncate(path, SIZE + 1)


def remove(scene: Scene) -> None:
    (path,) = scene.folder.glob(".cipherbucket-*.part")
    path.unlink()


def link(scene: Scene) -> None:
    (path,) = scene.folder.glob(".cipherbucket-*.part")
    path.unlink()
    path.symlink_to(scene.file)


# What happened to the temporary file, and how many ranges are fetched again.
DAMAGES: dict[str, tuple[Callable[[Scene], None], int]] = {
    "a byte of a finished range": (damage, 4),
    "longer": (lengthen, COUNT),
    "gone": (remove, COUNT),
    "a link to another file": (link, COUNT),
}


@pytest.mark.each_pair
@pytest.mark.parametrize("case", DAMAGES)
def test_what_is_not_as_it_was_written_is_fetched_again(moving: Scene, case: str) -> None:
    moving.put()
    moving.interrupted("in get 3", moving.download)
    DAMAGES[case][0](moving)
    moving.download()
    assert moving.wire.gets - DAMAGES[case][1] in {0, 1}
    moving.assert_downloaded()
    assert moving.file.read_bytes() == PLAIN


def test_interrupted_when_the_file_had_just_appeared(
    moving: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    moving.put()

    def killed(_: object) -> None:
        raise KilledError

    def download_and_die() -> None:
        with monkeypatch.context() as patch:
            patch.setattr("cipherbucket.transfers.journal.Journal.remove", killed)
            moving.download()

    with pytest.raises(KilledError):
        download_and_die()
    assert len(moving.journals()) == 1
    moving.wire.reset()
    moving.download()
    assert (moving.wire.gets, moving.wire.fetched) == (1, 0)
    moving.assert_downloaded()

    with pytest.raises(KilledError):
        download_and_die()
    moving.out.write_bytes(PLAIN[:-1] + b"?" if PLAIN[-1] != 63 else PLAIN[:-1] + b"!")
    moving.download()
    moving.assert_downloaded()


def test_no_room_is_told_before_a_byte_of_the_object_came(
    moving: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    moving.put()
    with monkeypatch.context() as patch:
        patch.setattr("os.posix_fallocate", full)
        with pytest.raises(cb.UsageError, match="No space left"):
            moving.download()
        patch.setattr("cipherbucket.transfers.files.THRESHOLD", 1 << 30)
        with pytest.raises(cb.UsageError, match="No space left"):
            moving.download()
    assert moving.wire.fetched in {0, 56}  # the header of what is fetched at once
    assert not moving.out.exists()
    moving.assert_nothing_left()
    moving.download()
    moving.assert_downloaded()


def test_a_file_system_that_cannot_tell_of_its_room(
    moving: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "not here")

    moving.put()
    monkeypatch.setattr("os.posix_fallocate", unsupported)
    moving.download()
    moving.assert_downloaded()


@pytest.mark.each_pair
@pytest.mark.parametrize("lines", [False, True], ids=["the file's disk", "the journal's disk"])
def test_a_disk_that_fills_meanwhile_stops_it_and_it_goes_on_later(
    moving: Scene, monkeypatch: pytest.MonkeyPatch, *, lines: bool
) -> None:
    left, write = [3], os.pwrite

    def filling(descriptor: int, data: bytes, offset: int) -> int:
        if (len(data) < 3_000) is lines:
            left[0] -= 1
            if left[0] < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if not left[0] and lines:
                return write(descriptor, data[:5], offset)
        return write(descriptor, data, offset)

    moving.put()
    with monkeypatch.context() as patch:
        patch.setattr("os.pwrite", filling)
        with pytest.raises(cb.UsageError, match=r"(?i)no space left"):
            moving.download()
    assert not moving.out.exists()
    moving.wire.reset()
    moving.download()
    assert moving.wire.gets < COUNT + 1
    moving.assert_downloaded()


def test_a_folder_that_cannot_be_written_is_told_before_a_byte_came(moving: Scene) -> None:
    moving.put()
    moving.out = moving.folder / "missing" / "out"
    with pytest.raises(cb.UsageError, match="cannot be written"):
        moving.download()
    assert moving.wire.fetched == 0
    assert moving.journals() == []


def test_resume_false_fetches_everything(moving: Scene) -> None:
    moving.put()
    moving.interrupted("in get 3", moving.download)
    moving.download(resume=False)
    assert moving.wire.gets == COUNT
    moving.assert_downloaded()


def test_a_wrong_key_at_resume_is_an_error_and_takes_nothing_away(moving: Scene) -> None:
    moving.put()
    moving.interrupted("in get 3", moving.download)
    with pytest.raises((cb.NoMatchingKeyError, cb.WrongKeyError)):
        moving.download(moving.bucket(cb.AesKey(bytes(32), description={"desc": "tests"})))
    moving.wire.reset()
    moving.download()
    assert moving.wire.gets == 4
    moving.assert_downloaded()


def test_without_a_folder_for_journals_it_works_and_leaves_nothing(
    moving: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIPHERBUCKET_STATE", str(moving.file / "below a file"))
    moving.put()
    moving.interrupted("in get 3", moving.download)
    assert not moving.out.exists()
    moving.assert_nothing_left()
    moving.download()
    moving.assert_downloaded()


def test_plaintext_objects_go_in_ranges_too(moving: Scene) -> None:
    moving.store.put(moving.name, PLAIN)
    bucket = moving.bucket(policy=cb.Policy(plaintext=True))
    moving.interrupted("in get 3", lambda: moving.download(bucket))
    moving.download(bucket)
    assert moving.wire.gets == 4
    moving.assert_downloaded()
