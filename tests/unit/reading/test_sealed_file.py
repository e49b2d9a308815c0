"""The body of a sealed object in a plain file, opened through its footer."""

import gc
import io
import os
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from tests.support.plaintexts import pattern
from tests.support.sealed_buckets import aes, body_of, rsa_4096, sealed

import cipherbucket as cb

CHUNK = 16_384
PLAIN = pattern(3_000_000)
OWNER, PARTNER, STRANGER = aes("owner"), aes("partner"), aes("stranger")


@pytest.fixture(autouse=True)
def nothing_left_open() -> Any:
    """Let a file that nobody closed fail the test that left it."""
    yield
    gc.collect()


def saved(path: Path, plain: bytes = PLAIN, **how: Any) -> Path:
    """Put an object under the name "docs/a" and save its body as another tool would."""
    store = cb.MemoryStore()
    policy = cb.Policy(unbound_names=True)
    sealed(store, OWNER, policy=policy).put("docs/a", plain, **how)
    path.write_bytes(body_of(store, "docs/a"))
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return saved(tmp_path / "a.bin")


def test_a_file_is_opened_by_path_as_a_whole(path: Path) -> None:
    for each in (path, str(path)):
        with cb.open_sealed_file(each, OWNER) as stream:
            assert (stream.info.name, stream.info.size) == ("docs/a", len(PLAIN))
            assert stream.info.format == "sealed"
            assert stream.read() == PLAIN


def test_a_ring_a_key_given_and_another_recipient_open_it(tmp_path: Path) -> None:
    path = saved(tmp_path / "a", recipients=[PARTNER])
    assert cb.open_sealed_file(path, cb.KeyRing(STRANGER, PARTNER)).read() == PLAIN
    assert cb.open_sealed_file(path, key=PARTNER).read() == PLAIN
    with pytest.raises(cb.NoMatchingKeyError):
        cb.open_sealed_file(path, STRANGER)
    with pytest.raises(cb.WrongKeyError):
        cb.open_sealed_file(path, aes("owner"))
    with pytest.raises(cb.WrongKeyError):
        cb.open_sealed_file(path, key=STRANGER)


@pytest.mark.parametrize("kind", ["file", "raw", "memory"])
def test_a_file_object_is_read_from_anywhere_and_stays_the_callers(kind: str, path: Path) -> None:
    opened: dict[str, BinaryIO] = {"memory": io.BytesIO(path.read_bytes())}
    with path.open("rb") as opened["file"], path.open("rb", buffering=0) as raw:
        opened["raw"] = raw
        file = opened[kind]
        file.seek(1000)
        with cb.open_sealed_file(file, OWNER) as stream:
            assert stream.info.name == "docs/a"
            assert stream.read(10) == PLAIN[:10]
            file.seek(5)  # whoever else reads it does no harm
            assert stream.read() == PLAIN[10:]
        assert not file.closed
        assert cb.open_sealed_file(file, OWNER, tail=7).read() == PLAIN[-7:]


@pytest.mark.parametrize(
    ("start", "length", "tail"),
    [
        (0, 1, None),
        (CHUNK - 1, 2, None),
        (5 * CHUNK, CHUNK, None),
        (2_999_999, None, None),
        (2_999_990, 100, None),
        (3_000_000, None, None),
        (100, 0, None),
        (0, None, 0),
        (0, None, 1),
        (0, None, CHUNK + 1),
        (0, None, 9_000_000),
    ],
)
def test_ranges_are_slices(path: Path, start: int, length: int | None, tail: int | None) -> None:
    stop = None if length is None else start + length
    expected = PLAIN[start:stop] if tail is None else PLAIN[max(0, len(PLAIN) - tail) :]
    how = {"start": start, "length": length, "tail": tail}
    assert cb.open_sealed_file(path, OWNER, **how).read() == expected  # type: ignore[arg-type]
    with path.open("rb") as file:
        assert cb.open_sealed_file(file, OWNER, **how).read() == expected  # type: ignore[arg-type]


def test_a_range_after_the_end_is_an_error(path: Path) -> None:
    with pytest.raises(cb.RangeError, match="3,000,001"):
        cb.open_sealed_file(path, OWNER, start=3_000_001)
    with pytest.raises(cb.RangeError):
        cb.open_sealed_file(path, OWNER, start=1 << 40)
    with pytest.raises(cb.UsageError):
        cb.open_sealed_file(path, OWNER, start=-1)


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 64 * CHUNK, 64 * CHUNK + 1])
def test_objects_of_every_size_come_out(size: int, tmp_path: Path) -> None:
    path = saved(tmp_path / "a", PLAIN[:size])
    assert cb.open_sealed_file(path, OWNER).read() == PLAIN[:size]
    assert cb.open_sealed_file(path, OWNER, tail=3).read() == PLAIN[:size][-3:]


def test_a_footer_longer_than_usual_is_read_whole(tmp_path: Path) -> None:
    others = [rsa_4096(f"r{number}") for number in range(9)]
    for size in (0, CHUNK):
        path = saved(tmp_path / "a", PLAIN[:size], recipients=others)
        assert cb.open_sealed_file(path, OWNER).read() == PLAIN[:size]


def test_a_name_can_be_demanded(path: Path) -> None:
    assert cb.open_sealed_file(path, OWNER, as_name="docs/a").read() == PLAIN
    for wrong in ("docs/b", "a.bin", str(path), ""):
        with pytest.raises(cb.BindingError) as caught:
            cb.open_sealed_file(path, OWNER, as_name=wrong)
        assert caught.value.sealed_name == "docs/a"


def test_an_object_bound_to_no_name_proves_none(tmp_path: Path) -> None:
    path = saved(tmp_path / "a", bind_name=False)
    with cb.open_sealed_file(path, OWNER) as stream:
        assert stream.info.name == str(path)
        assert stream.read() == PLAIN
    with pytest.raises(cb.BindingError, match="bound to no name"):
        cb.open_sealed_file(path, OWNER, as_name="docs/a")


def test_a_context_is_asked_for(tmp_path: Path) -> None:
    path = saved(tmp_path / "a", context={"tenant": "7"})
    assert cb.open_sealed_file(path, OWNER, context={"tenant": "7"}).read() == PLAIN
    with pytest.raises(cb.BindingError):
        cb.open_sealed_file(path, OWNER)
    with pytest.raises(cb.WrongKeyError):
        cb.open_sealed_file(path, OWNER, context={"tenant": "8"})
    with pytest.raises(cb.BindingError):
        cb.open_sealed_file(saved(path), OWNER, context={"tenant": "7"})


@pytest.mark.parametrize(
    "content",
    [b"", b"x", b"CBSEALED", b"\0\0\0\x38CBSEALED", b"\xff\xff\xff\xffCBSEALED", bytes(100_000)],
)
def test_a_file_that_is_no_sealed_body_is_told_so(content: bytes, path: Path) -> None:
    path.write_bytes(content)
    with pytest.raises(cb.EnvelopeError, match="footer"):
        cb.open_sealed_file(path, OWNER)
    with pytest.raises(cb.EnvelopeError, match="footer"):
        cb.open_sealed_file(io.BytesIO(content), OWNER)


def test_a_truncated_or_altered_file_gives_nothing_out(path: Path) -> None:
    whole = path.read_bytes()
    for cut in (1, 12, 300, len(whole) // 2, len(whole) - 56):
        path.write_bytes(whole[:-cut])
        with pytest.raises(cb.EnvelopeError):
            cb.open_sealed_file(path, OWNER)
    for bent in (
        whole[1:],
        whole[:56] + whole[57:],
        b"\0" + whole,
        whole[:80_000] + whole[80_016:],
    ):
        path.write_bytes(bent)
        with pytest.raises(cb.SecurityError), cb.open_sealed_file(path, OWNER) as stream:
            stream.read()
        with pytest.raises(cb.SecurityError), cb.open_sealed_file(path, OWNER, tail=1) as stream:
            stream.read()
    for at in (0, 30, 56, 1_500_000, len(whole) - 300, len(whole) - 80, len(whole) - 20):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(cb.SecurityError), cb.open_sealed_file(path, OWNER) as stream:
            stream.read()


def test_a_file_shortened_while_it_is_read_is_an_error(path: Path) -> None:
    with cb.open_sealed_file(path, OWNER) as stream:
        assert stream.read(10) == PLAIN[:10]
        os.truncate(path, 1_500_000)
        with pytest.raises(cb.IntegrityError):
            stream.read()


@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_file_replaced_between_two_reads_is_not_mixed(
    after: int, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = saved(tmp_path / "other")
    from cipherbucket.reading import sealed_file

    original = sealed_file._opened
    opened: list[Path] = []

    def replacing(asked: Path) -> io.FileIO:
        if len(opened) == after:
            other.replace(path)
        opened.append(asked)
        return original(asked)

    monkeypatch.setattr(sealed_file, "_opened", replacing)
    with pytest.raises(cb.ObjectChangedError, match="changed while"):
        cb.open_sealed_file(path, OWNER)


def test_a_stream_goes_on_with_the_file_it_began_with(path: Path, tmp_path: Path) -> None:
    other = saved(tmp_path / "other", bytes(10))
    with cb.open_sealed_file(path, OWNER) as stream:
        other.replace(path)
        assert stream.read() == PLAIN
    assert cb.open_sealed_file(path, OWNER).read() == bytes(10)


def test_what_cannot_be_read_from_its_end_is_refused_at_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path, tmp_path / "nothing", Path("/dev/null")):
        with pytest.raises(cb.SourceError):
            cb.open_sealed_file(path, OWNER)
    with pytest.raises(cb.UsageError, match="zero byte"):
        cb.open_sealed_file(Path("a\0b"), OWNER)
    reading, writing = os.pipe()
    os.close(writing)
    with os.fdopen(reading, "rb") as file, pytest.raises(cb.SourceError, match="cannot seek"):
        cb.open_sealed_file(file, OWNER)


def test_what_is_no_binary_file_is_refused(path: Path) -> None:
    with path.open("rb") as file:
        pass
    with pytest.raises(cb.SourceError, match="closed"):
        cb.open_sealed_file(file, OWNER)
    with path.open(encoding="latin-1") as text, pytest.raises(cb.UsageError, match="binary"):
        cb.open_sealed_file(text, OWNER)  # type: ignore[arg-type]
    with pytest.raises(cb.UsageError, match="binary"):
        cb.open_sealed_file(b"bytes", OWNER)  # type: ignore[arg-type]


def test_progress_ends_at_the_whole(path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    with cb.open_sealed_file(
        path, OWNER, progress=lambda done, total: seen.append((done, total))
    ) as stream:
        stream.read()
    assert seen[-1] == (len(PLAIN), len(PLAIN))


def test_a_stream_left_early_leaves_no_file_open(path: Path) -> None:
    with cb.open_sealed_file(path, OWNER) as stream:
        stream.read(10)
    with pytest.raises(cb.CipherbucketError):
        stream.read(2_000_000)
    with pytest.raises(cb.RangeError):
        cb.open_sealed_file(path, OWNER, start=len(PLAIN) + 1)
