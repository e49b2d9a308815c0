"""``cp -r`` goes on: what it skips is the very object that it wrote, metadata and all.

A store gives an object other metadata under the ETag, the size and the second that it had: OSS by
a copy to itself or where the same ciphertext is put again, a directory store by a change of its
index.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.cli.runs import contents, invoke, succeed
from tests.cli.test_tree_choices import BEFORE, failing_at
from tests.support.sealed_buckets import body_of

import cipherbucket as cb
from cipherbucket.bulk.ledger import Ledger
from cipherbucket.server import Endpoint

NAMES = ("t/1", "t/2", "t/3")


class Places(NamedTuple):
    """The stores ``here`` and ``there``, which keep ETags as OSS does, or as folders do."""

    here: str
    there: str


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(buckets=["here", "there"], md5_etags=True) as running:
        yield running


@pytest.fixture(params=["folders", "oss"])
def places(
    request: pytest.FixtureRequest,
    endpoint: Endpoint,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Places:
    urls = [f"file://{tmp_path}/{side}" for side in ("here", "there")]
    if request.param == "oss":
        for name, value in (
            ("OSS_ENDPOINT", endpoint.url),
            ("OSS_REGION", endpoint.region),
            ("OSS_ACCESS_KEY_ID", endpoint.access_key_id),
            ("OSS_ACCESS_KEY_SECRET", endpoint.access_key_secret),
        ):
            monkeypatch.setenv(name, value)
        for url in (urls := ["oss://here", "oss://there"]):
            with cb.open_store(url) as store:
                for name in NAMES:
                    store.delete(name)
    else:
        for url in urls:
            cb.make_bucket(url)
    return Places(*urls)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    root.mkdir()
    for number in range(1, 4):
        (root / f"{number}").write_bytes(b"%d" % number * number)
    return root


def strip(url: str, _key: Path, _new: Path) -> None:
    """Take the envelope away; body and ETag stay."""
    with cb.open_store(url) as store:
        if url.startswith("oss:"):
            store.put("t/1", body_of(store, "t/1"))
        else:
            store.replace_metadata("t/1", metadata={}, headers=None)


def rotate(url: str, key: Path, new: Path) -> None:
    succeed("rotate", "-k", new, "-k", key, f"{url}/t/1")


def retype(url: str, _key: Path, _new: Path) -> None:
    """Give it another content type."""
    with cb.open_store(url) as store:
        metadata = store.head("t/1").metadata
        headers = {"content-type": "text/html"}
        if url.startswith("oss:"):
            store.put("t/1", body_of(store, "t/1"), metadata=metadata, headers=headers)
        else:
            store.replace_metadata("t/1", metadata=metadata, headers=headers)


CHANGES = [strip, rotate, retype]


@pytest.mark.each_pair
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("form", ["oss", "sealed"])
@pytest.mark.parametrize("to_store", [False, True], ids=["up", "between"])
def test_a_copy_that_was_changed_meanwhile_is_made_again(
    places: Places,
    tree: Path,
    key_file: Path,
    other_key_file: Path,
    to_store: bool,
    form: str,
    change: Callable[[str, Path, Path], None],
) -> None:
    upload = ["cp", "-r", "--format", form, "-k", key_file, tree, f"{places.here}/t"]
    target = places.here
    command = upload
    if to_store:
        succeed(*upload)
        target = places.there
        command = ["cp", "-r", f"{places.here}/t", f"{target}/t"]
    with failing_at("3"):
        invoke(*command)
    with cb.open_bucket(target, cb.load_key(key_file)) as bucket:
        written = bucket.head("t/1")
        change(target, key_file, other_key_file)
        assert bucket.head("t/1").etag == written.etag
        again = succeed(*command).stderr
        assert "copied 2 objects" in again
        assert f"1 {BEFORE}" in again
        read = cb.Policy(formats={form})
        assert bucket.head("t/1").headers.get("content-type") == written.content_type
    with cb.open_bucket(target, cb.load_key(key_file), format=form, policy=read) as bucket:
        assert bucket.get("t/1").read() == b"1"


@pytest.mark.each_pair
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("form", ["oss", "sealed"])
def test_a_source_that_was_changed_meanwhile_is_copied_again(
    places: Places,
    tree: Path,
    key_file: Path,
    other_key_file: Path,
    form: str,
    change: Callable[[str, Path, Path], None],
) -> None:
    here, there = places
    succeed("cp", "-r", "--format", form, "-k", key_file, tree, f"{here}/t")
    command = ["cp", "-r", f"{here}/t", f"{there}/t"]
    with failing_at("3"):
        invoke(*command)
    change(here, key_file, other_key_file)
    again = succeed(*command).stderr
    assert "copied 2 objects" in again
    assert f"1 {BEFORE}" in again
    with cb.open_bucket(here) as source, cb.open_bucket(there) as target:
        assert source.head("t/1").stored_metadata() == target.head("t/1").stored_metadata()
        assert source.head("t/1").headers == target.head("t/1").headers


def test_what_must_not_be_replaced_is_no_reason_to_skip_it(
    places: Places, tree: Path, key_file: Path
) -> None:
    command = ["cp", "-r", "--if-absent", "-k", key_file, tree, f"{places.here}/t"]
    with failing_at("3"):
        invoke(*command)
    strip(places.here, key_file, key_file)
    result = invoke(*command)
    assert result.exit_code == 1
    assert "t/1" in result.stderr
    assert f"1 {BEFORE}" in result.stderr


def test_what_is_unchanged_is_skipped_with_metadata_and_headers(
    places: Places, tree: Path, key_file: Path
) -> None:
    (tree / "1").write_bytes(bytes(20 << 20))  # in parts
    written = ("--metadata", "owner=me", "--content-type", "text/plain")
    command = ["cp", "-r", *written, "-k", key_file, tree, f"{places.here}/t"]
    with failing_at("3"):
        invoke(*command)
    assert f"2 {BEFORE}" in succeed(*command).stderr
    command = ["cp", "-r", f"{places.here}/t", f"{places.there}/t"]
    for _ in range(2):
        with failing_at("3"):
            result = invoke(*command)
    assert "1 failed" in result.stderr
    assert f"2 {BEFORE}" in result.stderr


def test_mv_believes_no_ledger(places: Places, tree: Path, key_file: Path) -> None:
    args = ("-r", "-k", key_file, tree, f"{places.here}/t")
    with failing_at("3"):
        invoke("cp", *args)
    result = succeed("mv", *args)
    assert result.stderr.splitlines()[-1].startswith("cipherbucket: moved 3 objects")
    assert "skipped" not in result.stderr
    assert not contents(tree)


def ledgers() -> set[Path]:
    return set(Path(os.environ["CIPHERBUCKET_STATE"]).glob("*.ledger"))


@pytest.mark.parametrize("options", [("-n",), ("-n", "--no-resume"), ("-n", "-v")], ids=str)
def test_a_dry_run_neither_clears_nor_leaves_a_ledger(
    url: str, bucket: cb.Bucket, tree: Path, key_file: Path, options: tuple[str, ...]
) -> None:
    command = ["cp", "-r", "-k", key_file, tree, f"{url}/t"]
    before = ledgers()
    succeed(*command, *options)
    assert ledgers() == before
    with failing_at("3"):
        invoke(*command)
    (made,) = ledgers() - before
    content = made.read_bytes()
    succeed(*command, *options)
    assert made.read_bytes() == content
    assert f"2 {BEFORE}" in succeed(*command).stderr
    assert ledgers() == before


def test_a_dry_run_and_a_run_go_side_by_side(
    url: str, bucket: cb.Bucket, tree: Path, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["cp", "-r", "-k", key_file, tree, f"{url}/t"]
    before = ledgers()
    with failing_at("3"):
        invoke(*command)
    (made,) = ledgers() - before
    with Ledger(made):  # of a run that is at work
        assert "another process" in invoke(*command).stderr
        assert len(succeed(*command, "-n").stdout.splitlines()) == 3
    taken = Ledger.earlier

    def taken_while_a_run_begins(*identity: str) -> Ledger | None:
        earlier = taken(*identity)
        Ledger(made).close()  # not refused
        return earlier

    monkeypatch.setattr(Ledger, "earlier", taken_while_a_run_begins)
    assert len(succeed(*command, "-n").stdout.splitlines()) == 1


@pytest.mark.parametrize("option", ["-u", "--skip-existing", "-n"])
@pytest.mark.parametrize("named", [False, True], ids=["folder", "name"])
def test_of_one_object_its_one_target_alone_is_looked_at(
    url: str,
    bucket: cb.Bucket,
    tree: Path,
    key_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    option: str,
    named: bool,
) -> None:
    for name in ("t/1", "t/other", "s/1"):
        bucket.put(name, b"1")
    listed: list[str] = []
    whole = cb.Bucket.list

    def noting(self: cb.Bucket, prefix: str = "", **options: str) -> Iterator[cb.Entry]:
        listed.append(prefix)
        return whole(self, prefix, **options)

    def walked(*_: object, **__: object) -> None:
        raise AssertionError("a folder was walked")

    monkeypatch.setattr(cb.Bucket, "list", noting)
    monkeypatch.setattr("cipherbucket.cli.copying.directions.files_below", walked)
    last = "1" if named else ""
    succeed("cp", option, "-k", key_file, tree / "1", f"{url}/t/{last}")
    succeed("cp", option, "-k", key_file, f"{url}/s/1", f"{url}/t/{last}")
    assert set(listed) == {"t/1", "s/1"}
    (tmp_path / "down").mkdir()
    (tmp_path / "down" / "1").write_bytes(b"1")
    succeed("cp", option, "-k", key_file, f"{url}/s/1", tmp_path / "down" / last)
