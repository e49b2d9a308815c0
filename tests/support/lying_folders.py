"""Lies that a directory store can tell, and something outside it that they are after.

A lie is done to a folder that was a sound store, as whoever wrote the folder could do it. None may
lead out of the folder, whoever owns it: a tarball that was unpacked belongs to its victim.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import cipherbucket as cb
from cipherbucket.format.crc64 import crc64

SECRET = b"CANARY: what nobody asked for"
ID = "ab" * 16
"""An id that the canary has, too: what is opened in its folder would be found."""
PLAIN, OTHER, LARGE = "a/plain", "b", "c"
Lie = Callable[[Path, Path], None]
LIES: dict[str, Lie] = {}


def lie(tell: Lie) -> Lie:
    LIES[tell.__name__] = tell
    return tell


def make_store(root: Path, key: cb.MasterKey) -> None:
    """Make a sound store with a few objects and an unfinished upload."""
    with cb.open_bucket(f"file://{root}", key) as bucket:
        for name, data in ((PLAIN, b"one"), (OTHER, b"two"), (LARGE, bytes(200_000))):
            bucket.put(name, data)
    with cb.open_store(f"file://{root}") as store:
        upload = store.begin_upload("m")
        store.upload_part("m", upload, 1, b"part")


def make_canary(folder: Path) -> None:
    """Make the folder outside, with names that every kind of lie can want."""
    folder.mkdir()
    for name in ("thesis", ID, f"{ID}.json", f"{ID}.json.new", "index.sqlite-wal"):
        (folder / name).write_bytes(SECRET)
    (folder / ID[:2]).mkdir()
    (folder / ID[:2] / ID).write_bytes(SECRET)
    with closing(sqlite3.connect(folder / "places.sqlite")) as db:
        db.execute("CREATE TABLE places (text)")
        db.execute("INSERT INTO places VALUES (?)", (SECRET,))
        db.commit()


def state_of(folder: Path) -> dict[str, tuple[object, ...]]:
    """Return all that could be changed of a folder."""
    found: dict[str, tuple[object, ...]] = {}
    for path in (folder, *folder.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        owner = (status.st_uid, status.st_gid, status.st_mode, status.st_nlink)
        found[str(path)] = (status.st_mtime_ns, status.st_ctime_ns, *owner, content)
    return found


def query(root: Path, sql: str, *values: object) -> None:
    with closing(sqlite3.connect(root / "index.sqlite")) as db:
        db.execute(sql, values)
        db.commit()


def away(canary: Path, name: str, root: Path) -> str:
    """Return a path from a folder of the store to the canary, in an id's place."""
    return os.path.relpath(canary / name, root / "bodies" / "..")


def etag_of(root: Path, name: str = PLAIN) -> str:
    with closing(sqlite3.connect(root / "index.sqlite")) as db:
        row = db.execute("SELECT etag FROM objects WHERE name = ?", (name.encode(),)).fetchone()
        return str(row[0])


def body(root: Path, etag: str) -> Path:
    return root / "bodies" / etag[:2] / etag


def in_place_of(path: Path) -> Path:
    """Remove what is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    return path


@lie
def a_body_is_a_path(root: Path, canary: Path) -> None:
    query(
        root,
        "UPDATE objects SET etag = ?, size = ?, crc64 = ? WHERE name = ?",
        away(canary, "thesis", root),
        len(SECRET),
        f"{crc64(SECRET):016x}",
        PLAIN.encode(),
    )


@lie
def garbage_is_a_path(root: Path, canary: Path) -> None:
    query(root, "INSERT INTO garbage VALUES (?)", away(canary, "thesis", root))


@lie
def an_upload_is_a_path(root: Path, canary: Path) -> None:
    path = os.path.relpath(canary, root / "uploads")
    query(root, "UPDATE uploads SET id = ?", path)
    query(root, "UPDATE parts SET upload = ?, etag = 'thesis'", path)


@lie
def a_part_is_a_path(root: Path, canary: Path) -> None:
    query(root, "UPDATE parts SET etag = ?", str(canary / "thesis"))


@lie
def a_size_is_huge(root: Path, _: Path) -> None:
    query(root, "UPDATE objects SET size = ?", (1 << 63) - 1)


@lie
def a_size_is_too_small(root: Path, _: Path) -> None:
    query(root, "UPDATE objects SET size = 1")


@lie
def a_size_is_negative(root: Path, _: Path) -> None:
    query(root, "UPDATE objects SET size = -5")


@lie
def a_size_is_a_text(root: Path, _: Path) -> None:
    query(root, "UPDATE objects SET size = 'many'")


@lie
def a_body_is_anothers(root: Path, _: Path) -> None:
    etag = etag_of(root, OTHER)
    query(root, "DELETE FROM objects WHERE name = ?", OTHER.encode())
    query(root, "UPDATE objects SET etag = ? WHERE name = ?", etag, PLAIN.encode())


@lie
def a_name_is_no_utf8(root: Path, _: Path) -> None:
    query(root, "UPDATE objects SET name = ? WHERE name = ?", b"\xff\xfe", PLAIN.encode())


@lie
def a_name_is_very_long(root: Path, _: Path) -> None:
    query(root, "UPDATE objects SET name = ? WHERE name = ?", b"n" * 10_000_000, PLAIN.encode())


@lie
def a_name_is_a_number(root: Path, _: Path) -> None:
    query(root, "UPDATE objects SET name = 7 WHERE name = ?", PLAIN.encode())


@lie
def a_name_leads_out(root: Path, canary: Path) -> None:
    name = os.path.relpath(canary / "thesis", root).encode()
    query(root, "UPDATE objects SET name = ? WHERE name = ?", name, PLAIN.encode())


@lie
def metadata_is_a_list(root: Path, _: Path) -> None:
    query(root, "UPDATE objects SET metadata = '[1, 2]'")


@lie
def metadata_is_nested_deeply(root: Path, _: Path) -> None:
    query(root, "UPDATE objects SET metadata = ?", '{"a":' * 100_000)


@lie
def metadata_is_large(root: Path, _: Path) -> None:
    query(root, "UPDATE objects SET metadata = ?", f'{{"a": "{"x" * 900_000}"}}')


@lie
def metadata_is_no_text(root: Path, _: Path) -> None:
    query(root, "UPDATE objects SET headers = ?", '{"content-type": "\\ud800"}')


@lie
def a_row_is_very_large(root: Path, _: Path) -> None:
    query(root, "UPDATE objects SET headers = zeroblob(2000000) WHERE name = ?", PLAIN.encode())


@lie
def a_time_is_none(root: Path, _: Path) -> None:
    query(root, "UPDATE objects SET modified = '2026-01-01'")
    query(root, "UPDATE uploads SET started = 'yesterday'")


@lie
def objects_are_an_endless_view(root: Path, _: Path) -> None:
    query(root, "DROP TABLE objects")
    query(
        root,
        "CREATE VIEW objects AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
        " SELECT CAST('n' || i AS BLOB) AS name, 1 AS size, printf('%032x', i) AS etag,"
        " '2026-01-01T00:00:00+00:00' AS modified, '0' AS crc64, '{}' AS metadata,"
        " '{}' AS headers FROM n",
    )


@lie
def tables_have_no_end(root: Path, _: Path) -> None:
    """The list of tables is a tree of 18 levels; each page has the same page ten times below it."""
    query(root, "PRAGMA journal_mode=DELETE")
    data = bytearray((root / "index.sqlite").read_bytes())
    size, first, count = 4096, 100, len(data) // 4096
    cells = 2 * int.from_bytes(data[first + 3 : first + 5], "big")
    pages = [data[first : first + 8 + cells] + data[8 + cells : size]]
    for level in range(18):
        below = (count + 1 + level).to_bytes(4, "big")
        cell = below + b"\x01"  # a key, which SQLite does not need here
        pointers = (size - len(cell)).to_bytes(2, "big") * 10
        head = b"\x05\0\0" + (10).to_bytes(2, "big") + pointers[:2] + b"\0" + below + pointers
        pages.append(bytearray(head.ljust(size - len(cell), b"\0") + cell))
    data[first:size] = pages.pop()[:-first]
    data[size - len(cell) : size] = cell
    data += b"".join(pages)
    data[28:32] = (len(data) // size).to_bytes(4, "big")
    (root / "index.sqlite").write_bytes(data)


@lie
def a_trigger_deletes(root: Path, _: Path) -> None:
    query(
        root,
        "CREATE TRIGGER t AFTER INSERT ON garbage BEGIN DELETE FROM objects; END",
    )


@lie
def a_journal_names_a_file(root: Path, canary: Path) -> None:
    """SQLite plays back such a journal, and deletes the file that it names."""
    name = str(canary / "thesis").encode()
    header = bytes.fromhex("d9d505f920a163d7") + b"".join(
        number.to_bytes(4, "big") for number in (0, 0, 1, 512, 4096)
    )
    tail = (1).to_bytes(4, "big") + name + len(name).to_bytes(4, "big")
    tail += (sum(name) & 0xFFFFFFFF).to_bytes(4, "big") + header[:8]
    (root / "index.sqlite-journal").write_bytes(header.ljust(512, b"\0") + tail)


def index_is(make: Callable[[Path, Path], object]) -> Lie:
    def tell(root: Path, canary: Path) -> None:
        make(in_place_of(root / "index.sqlite"), canary)

    return tell


LIES["the_index_is_a_link"] = index_is(lambda at, to: at.symlink_to(to / "places.sqlite"))
LIES["the_index_is_a_pipe"] = index_is(lambda at, _: os.mkfifo(at))
LIES["the_index_is_a_folder"] = index_is(lambda at, _: at.mkdir())
LIES["the_index_is_endless"] = index_is(lambda at, _: at.symlink_to("/dev/zero"))
LIES["the_index_is_empty"] = index_is(lambda at, _: at.touch())


@lie
def the_index_has_a_hole(root: Path, _: Path) -> None:
    os.truncate(root / "index.sqlite", 1 << 40)


@lie
def the_log_is_a_link(root: Path, canary: Path) -> None:
    in_place_of(root / "index.sqlite-wal").symlink_to(canary / "index.sqlite-wal")


@lie
def the_log_is_a_pipe(root: Path, _: Path) -> None:
    os.mkfifo(in_place_of(root / "index.sqlite-wal"))


def body_is(make: Callable[[Path, Path], object], *, sidecar: bool = False) -> Lie:
    def tell(root: Path, canary: Path) -> None:
        path = body(root, etag_of(root))
        make(in_place_of(path.with_name(f"{path.name}.json") if sidecar else path), canary)

    return tell


LIES["a_body_is_a_link"] = body_is(lambda at, to: at.symlink_to(to / "thesis"))
LIES["a_body_is_a_pipe"] = body_is(lambda at, _: os.mkfifo(at))
LIES["a_body_is_a_folder"] = body_is(lambda at, _: at.mkdir())
LIES["a_body_has_a_hole"] = body_is(lambda at, _: os.truncate(os.open(at, 65), 1 << 40))
LIES["a_sidecar_is_a_link"] = body_is(lambda at, to: at.symlink_to(to / "thesis"), sidecar=True)
LIES["a_sidecar_is_a_pipe"] = body_is(lambda at, _: os.mkfifo(at), sidecar=True)
LIES["a_sidecar_is_nested"] = body_is(lambda at, _: at.write_bytes(b"[" * 900_000), sidecar=True)
LIES["a_sidecar_is_large"] = body_is(lambda at, _: at.write_bytes(bytes(30 << 20)), sidecar=True)


def folder_is_the_canary(name: str) -> Lie:
    def tell(root: Path, canary: Path) -> None:
        in_place_of(root / name).symlink_to(canary)

    return tell


LIES["bodies_are_behind_a_link"] = folder_is_the_canary("bodies")
LIES["markers_are_behind_a_link"] = folder_is_the_canary("staging")
LIES["uploads_are_behind_a_link"] = folder_is_the_canary("uploads")
LIES["a_shard_is_a_link"] = folder_is_the_canary(f"bodies/{ID[:2]}")


@lie
def an_object_lies_behind_a_link(root: Path, canary: Path) -> None:
    folder_is_the_canary(f"bodies/{ID[:2]}")(root, canary)
    query(
        root,
        "UPDATE objects SET etag = ?, size = ?, crc64 = ? WHERE name = ?",
        ID,
        len(SECRET),
        f"{crc64(SECRET):016x}",
        PLAIN.encode(),
    )


@lie
def garbage_lies_behind_a_link(root: Path, canary: Path) -> None:
    folder_is_the_canary(f"bodies/{ID[:2]}")(root, canary)
    query(root, "INSERT INTO garbage VALUES (?)", ID)


@lie
def an_upload_is_a_link(root: Path, canary: Path) -> None:
    (root / "uploads" / ID).symlink_to(canary)


@lie
def the_uploads_folder_is_a_link(root: Path, canary: Path) -> None:
    (path,) = (root / "uploads").iterdir()
    in_place_of(path).symlink_to(canary)


@lie
def a_marker_is_a_link(root: Path, canary: Path) -> None:
    (root / "staging" / ID).symlink_to(canary / ID)
    (root / "staging" / etag_of(root)).symlink_to(canary / "thesis")
    (root / "bodies" / ID[:2] / ID).symlink_to(canary / ID)


@lie
def a_marker_is_a_pipe(root: Path, _: Path) -> None:
    os.mkfifo(root / "staging" / ID)
