"""The half of the script that moves single objects: puts, gets, ranges, heads, copies, deletes."""

from __future__ import annotations

import base64
import hashlib
import io
import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from tests.oss2.recording import Record, short

DATA = random.Random(7).randbytes(1024)
LARGE = random.Random(8).randbytes(300_000)
OLD = "Mon, 01 Jan 2001 00:00:00 GMT"
LATER = "Fri, 01 Jan 2100 00:00:00 GMT"
RANGES: list[tuple[int | None, int | None]] = [
    (None, None),
    (0, None),
    (0, 0),
    (0, 15),
    (0, 16),
    (1, 1),
    (5, 100),
    (15, 16),
    (16, 31),
    (17, None),
    (64, 127),
    (100, 50),
    (333, 777),
    (1000, 1023),
    (1000, 2000),
    (1008, None),
    (1023, 1023),
    (1023, None),
    (1024, None),
    (2000, 3000),
    (2001, 3000),
    (16, 5000),
    (None, 0),
    (None, 5),
]


class Sftp:
    """A file whose ``seek`` answers nothing, and whose ``read`` gives a bytearray."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)
        self.tell = self._file.tell

    def read(self, amount: int = -1) -> bytearray:
        return bytearray(self._file.read(amount))

    def seek(self, offset: int, whence: int = 0) -> None:
        self._file.seek(offset, whence)


class Broken:
    """A file that fails when it was read once."""

    def __init__(self, error: Exception) -> None:
        self._error = error
        self._begun = False

    def read(self, amount: int = -1) -> bytes:
        if self._begun:
            raise self._error
        self._begun = True
        return DATA


class Slow:
    """A file that gives little at a time and tells no length."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def read(self, amount: int = -1) -> bytes:
        return self._file.read(min(amount, 100) if amount and amount > 0 else amount)


def pieces() -> Iterator[bytes]:
    """Yield the data in unequal pieces."""
    yield from (DATA[:7], DATA[7:512], DATA[512:])


def objects(record: Record) -> None:
    """Do all of it."""
    bucket = record.scene.bucket()
    for part in (puts, bodies_of_files, gets, ranges, conditions, heads, copies, properties, ends):
        part(record, bucket)


def puts(record: Record, bucket: Any) -> None:
    """Bodies of every kind, headers of every kind, names of every kind."""
    bodies = {
        "bytes": DATA,
        "empty": b"",
        "text": "text, 文本",
        "empty text": "",
        "large": LARGE,
        "BytesIO": io.BytesIO(DATA),
        "half read": _at(10),
        "slow": Slow(DATA),
        "sftp": Sftp(DATA),
        "pieces": pieces(),
    }
    for what, body in bodies.items():
        name = f"put/{what}"
        record.call(name, partial(bucket.put_object, name, body))
        record.call(f"{name} back", lambda name=name: bucket.get_object(name).read())
    record.call("put nothing", partial(bucket.put_object, "put/bytes", None))
    for error in (ValueError("torn"), ConnectionResetError("reset")):
        what = type(error).__name__
        record.call(f"put {what}", partial(bucket.put_object, "put/broken", Broken(error)))
    record.call("put broken back", lambda: bucket.get_object("put/broken").read())
    record.call("put number", partial(bucket.put_object, "put/bytes", 17))
    md5 = base64.b64encode(hashlib.md5(DATA).digest()).decode()
    headers = {
        "type": {"Content-Type": "text/x-own"},
        "meta": {"x-oss-meta-colour": "blue", "X-Oss-Meta-Size": "XL"},
        "length": {"Content-Length": "1024"},
        "md5": {"Content-MD5": md5},
        "cache": {"Cache-Control": "no-cache", "Content-Disposition": "attachment"},
        "class": {"x-oss-storage-class": "IA"},
        "acl": {"x-oss-object-acl": "public-read"},
        "tagging": {"x-oss-tagging": "a=1&b=2"},
        "agent": {"User-Agent": "me"},
        "bad acl": {"x-oss-object-acl": "nonsense"},
        "forbid": {"x-oss-forbid-overwrite": "true"},
        "forbid again": {"x-oss-forbid-overwrite": "true"},
    }
    for what, given in headers.items():
        name = f"headers/{what.removesuffix(' again')}"
        record.call(f"headers/{what}", partial(bucket.put_object, name, DATA, headers=given))
        record.call(f"headers/{what} head", partial(bucket.head_object, name))
    for name in ("a b", "日本/文件", "q?x=1&y#z%41", "x" * 1023, "dir/", "", "x" * 1024, "/slash"):
        label = f"name {name[:20]!r} {len(name)}"
        record.call(label, partial(bucket.put_object, name, DATA))
        record.call(f"{label} back", lambda name=name: bucket.get_object(name).read() == DATA)
    seen: list[tuple[int, int]] = []
    bucket.put_object("progress", LARGE, progress_callback=lambda *told: seen.append(told))
    record.same("progress of a put", (seen[-1], seen == sorted(seen)))


def _at(position: int) -> io.BytesIO:
    body = io.BytesIO(DATA)
    body.seek(position)
    return body


def bodies_of_files(record: Record, bucket: Any) -> None:
    """Files there and back."""
    folder = record.scene.folder
    for suffix in (".txt", ".js", ".jpg", ".tar.gz", ""):
        path = folder / f"file{suffix}"
        path.write_bytes(LARGE)
        name = f"file/{path.name}"
        record.call(name, partial(bucket.put_object_from_file, name, str(path)))
        record.call(f"{name} head", partial(bucket.head_object, name))
        back = folder / "back"
        record.call(f"{name} back", partial(bucket.get_object_to_file, name, str(back)))
        record.same(f"{name} bytes", short(back.read_bytes()))
    missing = str(folder / "missing")
    record.call("file missing", partial(bucket.put_object_from_file, "x", missing))
    record.call("no folder", partial(bucket.get_object_to_file, "file/file", f"{missing}/x"))
    record.call("no object", partial(bucket.get_object_to_file, "none", str(folder / "none")))
    with (folder / "file").open("rb") as file:
        file.seek(1000)
        record.call("open file", partial(bucket.put_object, "open file", file))
    record.call("open file back", lambda: bucket.get_object("open file").read())
    seen: list[tuple[int, int]] = []
    options = {"progress_callback": lambda *told: seen.append(told)}
    bucket.get_object_to_file("file/file", str(folder / "back"), **options)
    record.same("progress of a get", (seen[-1], seen == sorted(seen)))


def gets(record: Record, bucket: Any) -> None:
    """Ways to read a result."""
    bucket.put_object("data", DATA)
    bucket.put_object("large", LARGE)
    record.call("get", lambda: bucket.get_object("data"))
    record.call("get large", lambda: bucket.get_object("large"))
    record.call("get none", lambda: bucket.get_object("none"))
    record.call("get process", lambda: bucket.get_object("data", process="image/resize,w_1"))
    record.call("read some", lambda: _in_pieces(bucket.get_object("large"), 1000))
    record.call("read odd", lambda: _in_pieces(bucket.get_object("large"), 4097))
    record.call("read 0", lambda: bucket.get_object("data").read(0))
    record.call("iterate", lambda: b"".join(bucket.get_object("large")))
    record.call("with", lambda: _within(bucket.get_object("data")))
    record.call("read None", lambda: bucket.get_object("data").read(None))
    result = bucket.get_object("large")
    result.read()
    record.same("crc", (result.client_crc == result.server_crc, type(result.client_crc)))
    record.same("read at the end", result.read())
    result.close()
    params = {"response-content-type": "text/other"}
    record.call("get params", lambda: bucket.get_object("data", params=params))
    url = bucket.sign_url("GET", "data", 60)
    record.call("get url", lambda: bucket.get_object_with_url(url))
    record.call("get url read", lambda: bucket.get_object_with_url(url).read())
    path = str(record.scene.folder / "of-url")
    record.call("get url file", lambda: bucket.get_object_with_url_to_file(url, path))
    record.same("get url file bytes", short(Path(path).read_bytes()))
    old = bucket.sign_url("GET", "data", -60)
    record.call("get url too old", lambda: bucket.get_object_with_url(old))
    processed = bucket.sign_url("GET", "data", 60, params={"x-oss-process": "image/info"})
    record.call("get url process", lambda: bucket.get_object_with_url(processed))
    record.call("get url none", lambda: bucket.get_object_with_url(url.replace("data", "none")))


def _in_pieces(result: Any, amount: int) -> bytes:
    return b"".join(iter(partial(result.read, amount), b""))


def _within(result: Any) -> bytes:
    with result as opened:
        body: bytes = opened.read()
    return body


def ranges(record: Record, bucket: Any) -> None:
    """Every range, as a result, read and iterated, to a file, and by URL."""
    url = bucket.sign_url("GET", "data", 60)
    for span in RANGES:
        path = record.scene.folder / "range"
        path.write_bytes(b"")
        record.call(f"range {span}", lambda span=span: bucket.get_object("data", byte_range=span))
        record.call(
            f"range {span} read",
            lambda span=span: bucket.get_object("data", byte_range=span).read(),
        )
        record.call(
            f"range {span} file",
            lambda span=span, path=path: (
                bucket.get_object_to_file("data", str(path), byte_range=span).status
            ),
        )
        record.call(
            f"range {span} url",
            lambda span=span: bucket.get_object_with_url(url, byte_range=span).read(),
        )


def conditions(record: Record, bucket: Any) -> None:
    """Preconditions of a read."""
    etag = bucket.head_object("data").headers["ETag"]
    for what, headers in {
        "match": {"If-Match": etag},
        "no match": {"If-Match": '"0"'},
        "none match": {"If-None-Match": '"0"'},
        "none match same": {"If-None-Match": etag},
        "modified": {"If-Modified-Since": OLD},
        "not modified": {"If-Modified-Since": LATER},
        "unmodified": {"If-Unmodified-Since": LATER},
        "not unmodified": {"If-Unmodified-Since": OLD},
    }.items():
        record.call(f"get if {what}", partial(bucket.get_object, "data", headers=headers))
        if "modified" not in what:
            record.call(f"head if {what}", partial(bucket.head_object, "data", headers=headers))


def heads(record: Record, bucket: Any) -> None:
    """Questions about an object."""
    for name in ("data", "none"):
        record.call(f"head {name}", partial(bucket.head_object, name))
        record.call(f"meta {name}", partial(bucket.get_object_meta, name))
        record.call(f"exists {name}", partial(bucket.object_exists, name))


def copies(record: Record, bucket: Any) -> None:
    """Copies that keep the envelope, and those that would not."""
    name = bucket.bucket_name
    record.call("copy", partial(bucket.copy_object, name, "data", "copied"))
    record.call("copy back", lambda: bucket.get_object("copied").read())
    record.call("copy none", partial(bucket.copy_object, name, "none", "copied"))
    record.call("copy of no bucket", partial(bucket.copy_object, "no-such-one", "data", "copied"))
    keep = {"x-oss-metadata-directive": "COPY", "x-oss-meta-colour": "red"}
    record.call("copy kept", partial(bucket.copy_object, name, "data", "kept", headers=keep))
    record.call("copy kept back", lambda: bucket.get_object("kept").read())
    replace = {"x-oss-metadata-directive": "REPLACE", "x-oss-meta-colour": "red"}
    record.call(
        "copy replaced", partial(bucket.copy_object, name, "data", "replaced", headers=replace)
    )
    record.call("copy replaced back", lambda: bucket.get_object("replaced").read())
    bucket.put_object("updated", DATA)
    record.call("update", partial(bucket.update_object_meta, "updated", {"x-oss-meta-a": "1"}))
    record.call("update back", lambda: bucket.get_object("updated").read())
    record.call("update head", partial(bucket.head_object, "updated"))
    record.call("update none", partial(bucket.update_object_meta, "none", {"x-oss-meta-a": "1"}))


def properties(record: Record, bucket: Any) -> None:
    """What an object has beside its bytes: ACL, tags, links, a state of restoring."""
    models = record.scene.part("models")
    record.call("acl", partial(bucket.get_object_acl, "data"))
    record.call("acl put", partial(bucket.put_object_acl, "data", "public-read"))
    record.call("acl changed", partial(bucket.get_object_acl, "data"))
    record.call("acl none", partial(bucket.get_object_acl, "none"))
    record.call("acl bad", partial(bucket.put_object_acl, "data", "nonsense"))
    rule = models.TaggingRule()
    rule.add("colour", "blue")
    rule.add("a b", "c/d")
    record.call("tags put", partial(bucket.put_object_tagging, "data", models.Tagging(rule)))
    got = record.call("tags", partial(bucket.get_object_tagging, "data"))
    record.same("tags found", got and sorted(got.tag_set.tagging_rule.items()))
    record.call("tags deleted", partial(bucket.delete_object_tagging, "data"))
    record.call("tags none left", lambda: bucket.get_object_tagging("data").tag_set.tagging_rule)
    record.call("link", partial(bucket.put_symlink, "data", "link"))
    record.call("link target", lambda: bucket.get_symlink("link").target_key)
    record.call("link read", lambda: bucket.get_object("link").read())
    record.call("link none", partial(bucket.get_symlink, "none"))
    record.call("link of data", partial(bucket.get_symlink, "data"))
    record.call("restore", partial(bucket.restore_object, "data"))
    record.call("restore none", partial(bucket.restore_object, "none"))
    frozen = {"x-oss-storage-class": "Archive"}
    bucket.put_object("frozen", DATA, headers=frozen)
    record.call("get frozen", partial(bucket.get_object, "frozen"))
    record.call("restore frozen", partial(bucket.restore_object, "frozen"))


def ends(record: Record, bucket: Any) -> None:
    """Deletions."""
    for name in ("copied", "none"):
        record.call(f"delete {name}", partial(bucket.delete_object, name))
    record.call("gone", partial(bucket.get_object, "copied"))
    record.call("delete many", lambda: bucket.batch_delete_objects(["kept", "none", "a b"]))
    record.call("delete no list", lambda: bucket.batch_delete_objects([]))
    record.call("delete empty", lambda: bucket.delete_object(""))
