"""What each store does of what stores can do: one probe a line, tried on every store.

A probe that returns is a yes. What a store refuses by an error of ours, or does otherwise than
asked, is a no; anything else that is raised is a bug.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.request import urlopen

import cipherbucket as cb
from cipherbucket.stores.base import Store

PART = 5 << 20
Probe = Callable[[Store], object]


class OtherwiseError(cb.CipherbucketError):
    """The store did something else than it was asked for."""


def check(holds: object) -> None:
    """Go on if something is so."""
    if not holds:
        raise OtherwiseError("not as asked")


def refuses(verb: Callable[[], object]) -> None:
    """Go on if a condition that does not hold is refused."""
    try:
        verb()
    except cb.PreconditionFailedError:
        return
    raise OtherwiseError("not refused")


def read(store: Store, name: str, **how: int | str) -> bytes:
    """Fetch bytes of an object."""
    with store.get(name, **how) as body:  # type: ignore[arg-type]
        data = bytearray(body.stop - body.start + 1)
        return bytes(data[: body.readinto(data)])


def put_and_get(store: Store) -> None:
    store.put("a b/é", b"0123456789", metadata={"k": "v"})
    check(read(store, "a b/é") == b"0123456789")
    check(store.head("a b/é").metadata == {"k": "v"})
    check(read(store, "a b/é", start=2, length=3) == b"234")
    check(read(store, "a b/é", tail=3) == b"789")
    store.delete("a b/é")
    check(not store.list().entries)


def text_metadata(store: Store) -> None:
    store.put("a", b"1", metadata={"k": "clé-密钥"})
    check(store.head("a").metadata == {"k": "clé-密钥"})


def large_metadata(store: Store) -> None:
    store.put("a", b"1", metadata={"k": "v" * 4000})


def names(store: Store) -> None:
    for name in ("a", "a/", "a/b", "/a", "..", "a//b", "a\nb"):
        store.put(name, name.encode())
    check(
        [entry.name for entry in store.list().entries]
        == sorted(["a", "a/", "a/b", "/a", "..", "a//b", "a\nb"])
    )


def listing(store: Store) -> None:
    for name in ("a", "b/1", "b/2", "c"):
        store.put(name, b"")
    pages = store.list(limit=2)
    check([entry.name for entry in pages.entries] == ["a", "b/1"])
    check([entry.name for entry in store.list(token=pages.token).entries] == ["b/2", "c"])
    check([entry.name for entry in store.list(start_after="b/1").entries] == ["b/2", "c"])
    check([entry.name for entry in store.list(delimiter="/").entries] == ["a", "b/", "c"])


def put_if_absent(store: Store) -> None:
    store.put("a", b"1", if_absent=True)
    refuses(lambda: store.put("a", b"2", if_absent=True))


def put_if_match(store: Store) -> None:
    first = store.put("a", b"1")
    store.put("a", b"2", if_match=first.etag)
    refuses(lambda: store.put("a", b"3", if_match=first.etag))


def get_if_match(store: Store) -> None:
    store.put("a", b"1")
    refuses(lambda: store.get("a", if_match="0" * 32))


def copy(store: Store) -> None:
    put = store.put("a", b"1", metadata={"k": "v"}, headers={"content-type": "t/x"})
    made = store.copy("a", "b")
    check((made.metadata, made.headers) == (put.metadata, put.headers))
    check(read(store, "b") == b"1")
    refuses(lambda: store.copy("a", "b", if_absent=True))


def other_metadata(store: Store) -> None:
    store.put("a", b"1", metadata={"k": "1"})
    check(store.replace_metadata("a", metadata={"k": "2"}, headers=None).metadata == {"k": "2"})
    check(read(store, "a") == b"1")


def other_headers(store: Store) -> None:
    store.put("a", b"1", headers={"expires": "x"})
    store.replace_metadata("a", metadata={}, headers={"content-type": "t/x"})
    check("expires" not in store.head("a").headers)


def other_envelope(store: Store) -> None:
    name = "client-side-encryption-key"
    store.put("a", b"1", metadata={name: "1"})
    store.replace_metadata("a", metadata={name: "2"}, headers=None)


def tags(store: Store) -> None:
    header = "x-amz-tagging" if store.url.startswith("s3:") else "x-oss-tagging"
    store.put("a", b"1", headers={header: "a=1"})
    store.replace_metadata("a", metadata={"k": "v"}, headers=None)
    check(store.attributes("a").get(header) == "a=1")


def parts(store: Store) -> None:
    upload = store.begin_upload("a", metadata={"k": "v"})
    sent = {n: store.upload_part("a", upload, n, bytes([n]) * PART) for n in (5, 2)}
    check([part.number for part in store.list_parts("a", upload)] == [2, 5])
    check([each.upload_id for each in store.list_uploads()] == [upload])
    made = store.complete_upload("a", upload, [sent[2], sent[5]])
    check((made.size, made.metadata) == (2 * PART, {"k": "v"}))
    check(read(store, "a", start=PART - 1, length=2) == b"\x02\x05")
    begun = store.begin_upload("b")
    store.abort_upload("b", begun)
    check(store.list_uploads() == [])


def parts_if_absent(store: Store) -> None:
    store.put("a", b"1")
    upload = store.begin_upload("a")
    part = store.upload_part("a", upload, 1, b"2")
    refuses(lambda: store.complete_upload("a", upload, [part], if_absent=True))


def parts_if_match(store: Store) -> None:
    store.put("a", b"1")
    upload = store.begin_upload("a")
    part = store.upload_part("a", upload, 1, b"2")
    refuses(lambda: store.complete_upload("a", upload, [part], if_match="0" * 32))


def checksum(store: Store) -> None:
    check(store.put("a", b"1").crc64 is not None)
    check(store.head("a").crc64 is not None)


def presigned(store: Store) -> None:
    store.put("a b/é", b"1")
    with urlopen(store.presign("a b/é")) as answer:
        check(answer.read() == b"1")


def versions(store: Store) -> None:
    first, _ = store.put("a", b"1"), store.put("a", b"2")
    check(first.version_id is not None)
    check(read(store, "a", version_id=str(first.version_id)) == b"1")
    store.delete("a")
    check([each.is_delete_marker for each in store.list_versions()] == [True, False, False])


def restoring(store: Store) -> None:
    of_s3 = store.url.startswith("s3:")
    name, text = ("x-amz-storage-class", "GLACIER") if of_s3 else ("x-oss-storage-class", "Archive")
    store.put("a", b"1", headers={name: text})
    check(store.restore("a"))


PROBES: dict[str, Probe] = {
    "put, get, ranges, head, delete": put_and_get,
    "list: pages, start after, delimiter": listing,
    "names of any kind": names,
    "metadata not in ASCII": text_metadata,
    "metadata of 4,000 bytes": large_metadata,
    "put if absent": put_if_absent,
    "put if match": put_if_match,
    "get if match": get_if_match,
    "copy, copy if absent": copy,
    "other metadata without the body": other_metadata,
    "other content headers without the body": other_headers,
    "another envelope without the body": other_envelope,
    "tags kept by that": tags,
    "parts: any order, gaps, listed, aborted": parts,
    "parts completed if absent": parts_if_absent,
    "parts completed if match": parts_if_match,
    "a checksum of the store's own": checksum,
    "presigned GET": presigned,
    "versions, delete markers": versions,
    "restore from the archive": restoring,
}


def outcome(probe: Probe, store: Store) -> str:
    """Return ``yes`` or ``no``."""
    try:
        probe(store)
    except cb.CipherbucketError:
        return "no"
    return "yes"
