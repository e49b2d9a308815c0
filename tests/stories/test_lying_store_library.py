"""A store that lies to the library: each verb fails or does what it does at one that does not.

The lies are those of `lies_in_http` and `lies_in_xml`; the rule is that of `lied_to`.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.support.honest_store import oss_settings
from tests.support.lied_to import Refused, Verb
from tests.support.lying_ground import KEPT, MIRROR, PART, POLICY, Ground, Scene, body
from tests.support.lying_table import Table, lies, wrong_with

import cipherbucket as cb
from cipherbucket.stores.base import Store


def library(
    name: str,
    use: Callable[[cb.Bucket, Scene], object],
    *unaware: str,
    **options: object,
) -> Verb:
    """Return a use of a bucket; an error of ours is a refusal."""

    def run(scene: Scene) -> object:
        bucket_options: dict[str, object] = dict(options)
        name = str(bucket_options.pop("at", "lied"))
        try:
            with scene.bucket(name, **bucket_options) as bucket:  # type: ignore[arg-type]
                return use(bucket, scene)
        except cb.UsageError:
            raise  # nobody used anything wrongly
        except cb.CipherbucketError as error:
            raise Refused(f"{type(error).__name__}: {error}", _status(error)) from error

    return Verb(name, run, frozenset(unaware))


def _status(error: cb.CipherbucketError) -> int | None:
    status: int | None = getattr(error, "status", None)
    return status


def seen(info: cb.ObjectInfo) -> tuple[object, ...]:
    return info.name, info.size, info.stored_size, info.format, sorted(info.metadata)


def entry(each: cb.Entry) -> tuple[object, ...]:
    return each.name, each.size, each.is_prefix


def read(stream: cb.ObjectStream) -> bytes:
    with stream:
        return stream.read()


def counted(report: cb.Tally | cb.Verification | cb.RotationReport) -> object:
    """Return what a pass came to; failures of objects are failures of the verb."""
    with report as done:  # type: ignore[union-attr]
        counts = {status: number for status, number in dict(done.counts).items() if number}
    if counts.get("failed"):
        raise Refused(f"{counts}")
    return counts


def audited(bucket: cb.Bucket, prefix: str, **options: object) -> object:
    with cb.audit.run(bucket, prefix, **options) as audit:  # type: ignore[arg-type]
        facts = [
            (each.name, each.format, [str(f) for f in each.findings]) for each in audit.objects()
        ]
        complete = audit.facts.versions != "unknown" and audit.facts.scope.uploads is not None
    if not complete or any(findings for _, _, findings in facts):
        raise Refused(f"{facts}")
    return facts


def written(bucket: cb.Bucket, _: Scene) -> object:
    with bucket.open("o/2", "wb") as file:
        file.write(b"new")
        file.write(b"er")
    return seen(file.info) if hasattr(file, "info") else None


def in_parts(bucket: cb.Bucket, _: Scene) -> object:
    with bucket.multipart("o/parts", data_size=2 * PART + 10, part_size=PART) as upload:
        for number in (2, 1):
            upload.upload_part(number, body(PART))
        upload.upload_part(3, body(10))
        return seen(upload.complete())


def opened(bucket: cb.Bucket, _: Scene) -> object:
    with bucket.open("o/2") as file:
        first = file.read(10)
        file.seek(1000)
        return first, file.read(10)


def by_url(bucket: cb.Bucket, scene: Scene) -> object:
    settings = oss_settings(scene.url)
    stream = cb.open_url(f"{scene.url}/lied/o/2", bucket.ring, policy=POLICY, settings=settings)
    return read(stream)


def resumed(bucket: cb.Bucket, scene: Scene) -> object:
    size = 7 * 16_384
    return seen(
        bucket.upload(scene.out / "big", "o/big", part_size=size, threshold=size, workers=2)
    )


def copied_in_parts(bucket: cb.Bucket, _: Scene) -> object:
    pytest.MonkeyPatch().setattr("cipherbucket.stores.oss.copying._ONE_COPY", PART)
    return seen(bucket.copy("p/large", "p/copy"))


def fetched(bucket: cb.Bucket, scene: Scene) -> object:
    return seen(
        bucket.download("large", scene.out / "big", part_size=PART, threshold=PART, workers=2)
    )


def to_mirror(bucket: cb.Bucket, scene: Scene, name: str, **options: object) -> object:
    with scene.bucket(MIRROR) as mirror:
        return seen(bucket.copy_to(mirror, name, **options))  # type: ignore[arg-type]


def store_of(use: Callable[[Store], object]) -> Callable[[cb.Bucket, Scene], object]:
    return lambda bucket, _: use(bucket.access.store)


def raw(store: Store) -> object:
    with store.get("o/2", start=5, length=20) as incoming:
        return incoming.stored.size, bytes(b"".join(iter_of(incoming)))


def iter_of(incoming: object) -> list[bytes]:
    buffer = bytearray(100)
    count = incoming.readinto(memoryview(buffer))  # type: ignore[attr-defined]
    return [bytes(buffer[:count])]


def by_parts(store: Store) -> object:
    begun = store.begin_upload("o/raw", metadata={"k": "v"})
    parts = [store.upload_part("o/raw", begun, number, body(PART)) for number in (1, 2)]
    listed = [(part.number, part.size) for part in store.list_parts("o/raw", begun)]
    stored = store.complete_upload("o/raw", begun, parts)
    return listed, stored.name, stored.size


def parts_left(store: Store) -> object:
    return [
        [
            (part.number, part.size, part.crc64)
            for part in store.list_parts(each.name, each.upload_id)
        ]
        for each in store.list_uploads("u/")
    ]


def aborted(bucket: cb.Bucket, _: Scene) -> object:
    uploads = bucket.uploads("u/")
    for upload in uploads:
        bucket.abort_upload(upload.name, upload.upload_id)
    return [upload.name for upload in uploads]


def versions(bucket: cb.Bucket) -> object:
    return [
        (each.name, each.size, each.is_latest, each.is_delete_marker)
        for each in bucket.versions("v/")
    ]


def old_version(bucket: cb.Bucket, _: Scene) -> object:
    old = next((each for each in list(bucket.versions("v/1")) if each.size == 2), None)
    if old is None:
        return None
    return read(bucket.get("v/1", version_id=old.version_id))


def deleted_version(bucket: cb.Bucket, _: Scene) -> None:
    for old in [each for each in bucket.versions("v/1") if each.size == 2]:
        bucket.delete("v/1", version_id=old.version_id)


def deleted_below(bucket: cb.Bucket, _: Scene) -> object:
    failures = bucket.delete_many([each.name for each in bucket.list("o/")])
    if failures:
        raise Refused(str(failures))
    return None


def compared(bucket: cb.Bucket, scene: Scene) -> object:
    try:
        return bucket.matches("o/1", scene.out / "same")
    except cb.UsageError as error:  # where the store keeps no CRC-64, as it may say
        raise Refused(str(error)) from error


VERBS = [
    library("put", lambda b, _: seen(b.put("o/new", b"new"))),
    library("put over", lambda b, _: seen(b.put("o/2", b"new", metadata={"k": "n"}))),
    library("put if absent", lambda b, _: seen(b.put("o/new", b"new", if_absent=True))),
    library("put a stream", lambda b, _: seen(b.put("o/new", iter([b"a", b"b"])))),
    library("put sealed", lambda b, _: seen(b.put("s/new", b"new")), format="sealed"),
    library(
        "put a sealed stream",
        lambda b, _: seen(b.put("s/new", iter([b"a", b"b"]))),
        format="sealed",
    ),
    library("put a file", lambda b, s: seen(b.put("o/new", s.out / "file"))),
    library("get", lambda b, _: read(b.get("o/2"))),
    library("get a range", lambda b, _: read(b.get("o/2", start=100, length=50)), "bytes"),
    library("get a tail", lambda b, _: read(b.get("o/2", tail=50)), "bytes"),
    library("get sealed", lambda b, _: read(b.get("s/1"))),
    library("get a sealed range", lambda b, _: read(b.get("s/1", start=17_000, length=5))),
    library("get plaintext", lambda b, _: read(b.get("p/1"))),
    library("open", opened, "bytes"),
    library("open to write", written),
    library("upload", lambda b, s: seen(b.upload(s.out / "file", "o/file"))),
    library("upload parts", resumed),
    library("upload sealed parts", resumed, format="sealed"),
    library("download", lambda b, s: seen(b.download("o/2", s.out / "file"))),
    library("download parts", fetched),
    library("multipart", in_parts),
    library("matches", compared),
    library("head", lambda b, _: seen(b.head("o/1"))),
    library("exists", lambda b, _: b.exists("o/1"), "envelope"),
    library("exists not", lambda b, _: b.exists("o/none"), "envelope"),
    library("list", lambda b, _: [entry(each) for each in b.list("o/")]),
    library("list folded", lambda b, _: [entry(each) for each in b.list("", delimiter="/")]),
    library("versions", lambda b, _: versions(b), at=KEPT),
    library("get a version", old_version, at=KEPT),
    library("delete a version", deleted_version, at=KEPT),
    library("uploads", lambda b, _: [each.name for each in b.uploads("u/")]),
    library("abort uploads", aborted),
    library("delete", lambda b, _: b.delete("o/1")),
    library("delete many", deleted_below),
    library("copy", lambda b, _: seen(b.copy("o/1", "o/copy"))),
    library("copy in parts", copied_in_parts),
    library("copy sealed", lambda b, _: seen(b.copy("s/2", "s/copy")), format="sealed"),
    library("copy to", lambda b, s: to_mirror(b, s, "o/1")),
    library("copy to over", lambda b, s: to_mirror(b, s, "o/2")),
    library("copy to in parts", lambda b, s: to_mirror(b, s, "large", workers=2)),
    library(
        "update metadata", lambda b, _: seen(b.update_metadata("p/1", metadata={"own": "new"}))
    ),
    library("restore", lambda b, _: b.restore("cold"), at=KEPT),
    library("open a URL", by_url),
    library("rewrap", lambda b, _: seen(cb.rotation.rewrap(b, "o/1")), new=True),
    library(
        "rewrap sealed",
        lambda b, _: seen(cb.rotation.rewrap(b, "s/1")),
        format="sealed",
        new=True,
    ),
    library("rewrap all", lambda b, _: counted(cb.rotation.rewrap_all(b, "o/")), new=True),
    library("reencrypt", lambda b, _: seen(cb.rotation.reencrypt(b, "o/1")), new=True),
    library("reencrypt all", lambda b, _: counted(cb.rotation.reencrypt_all(b, "o/")), new=True),
    library("verify", lambda b, _: seen(cb.verify(b, "o/2"))),
    library("verify all", lambda b, _: counted(cb.verify_all(b))),
    library("audit", lambda b, _: audited(b, "o/"), "list_object_versions"),
    library("audit versions", lambda b, _: audited(b, "v/", versions=True), at=KEPT),
    library(
        "add a recipient",
        lambda b, s: seen(cb.recipients.add(b, "s/1", s.ground.keys[1])),
        format="sealed",
    ),
    library("footer", lambda b, _: str(cb.recipients.footer(b, "s/1").name)),
    library("repair", lambda b, _: seen(cb.recipients.repair(b, "s/1")), format="sealed"),
    library("store.put", store_of(lambda s: s.put("o/raw", b"raw").size), "envelope", "bytes"),
    library("store.get", store_of(raw), "envelope", "bytes"),
    library("store.head", store_of(lambda s: s.head("o/1").size), "envelope", "bytes"),
    library("store.attributes", store_of(lambda s: s.attributes("p/1")), "envelope", "bytes"),
    library(
        "store.list",
        store_of(lambda s: [entry(each) for each in s.list("o/").entries]),
        "envelope",
        "bytes",
        "pages",
    ),
    library("store.copy", store_of(lambda s: s.copy("p/1", "p/copy").size), "envelope", "bytes"),
    library(
        "store.replace_metadata",
        store_of(lambda s: s.replace_metadata("p/1", metadata={"n": "v"}, headers=None).size),
        "envelope",
        "bytes",
    ),
    library("store in parts", store_of(by_parts), "envelope", "bytes"),
    library("store.list_parts", store_of(parts_left), "envelope", "bytes", "order"),
]


@pytest.fixture(scope="module")
def table(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> Table:
    return Table(ground, VERBS, tmp_path_factory.mktemp("library"))


@pytest.mark.parametrize("lie", lies(0))
def test_a_lie_to_the_library_leads_nowhere(table: Table, lie: int) -> None:
    assert wrong_with(table, lie) == []
