"""The half of the script of many things: lists, parts, resumable transfers, refusals, providers."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.oss2.recording import Record, short
from tests.oss2.scene import BUCKET, SECRET, key_pair
from tests.oss2.script_objects import DATA, LARGE

PART = 102_400
NAMES = ["a", "b/1", "b/2", "b/c/3", "d é", "e&f", "g"]


def many(record: Record) -> None:
    """Do all of it."""
    bucket = record.scene.bucket()
    for part in (refusals, lists, parts, uploads_under_way, without_context, transfers):
        part(record, bucket)
    for apart in (providers, wrong_places, small_things):
        apart(record)


def refusals(record: Record, bucket: Any) -> None:
    """What an encrypting bucket does not do."""
    bucket.put_object("data", DATA)
    url = bucket.sign_url("PUT", "data", 60)
    for what, deed in {
        "append": partial(bucket.append_object, "log", 0, DATA),
        "put url": partial(bucket.put_object_with_url, url, DATA),
        "select": partial(bucket.select_object, "data", "select * from ossobject"),
        "select meta": partial(bucket.create_select_object_meta, "data"),
        "process": partial(bucket.process_object, "data", "image/info"),
        "part copy": partial(bucket.upload_part_copy, BUCKET, "data", (0, 9), "x", "id", 1),
    }.items():
        record.call(f"refused {what}", deed)
    module, scene = record.scene.module, record.scene
    record.call("no provider", lambda: module.CryptoBucket(scene.auth(), scene.oss.url, BUCKET, 1))
    record.same("user agent", bucket.user_agent.rpartition("/")[2])


def lists(record: Record, bucket: Any) -> None:
    """Lists of objects, page by page and iterated."""
    module = record.scene.module
    for name in NAMES:
        bucket.put_object(f"l/{name}", DATA)
    pages: dict[str, dict[str, Any]] = {
        "all": {},
        "prefix": {"prefix": "l/b"},
        "folders": {"prefix": "l/", "delimiter": "/"},
        "two": {"prefix": "l/", "max_keys": 2},
        "after": {"prefix": "l/", "marker": "l/b/2"},
        "nothing": {"prefix": "none"},
    }
    for label, given in pages.items():
        record.call(f"list {label}", partial(bucket.list_objects, **given))
        v2 = {("start_after" if k == "marker" else k): v for k, v in given.items()}
        record.call(f"list v2 {label}", partial(bucket.list_objects_v2, **v2))
        record.call(
            f"iterate {label}",
            lambda given=given: [_told(each) for each in module.ObjectIterator(bucket, **given)],
        )
        record.call(
            f"iterate v2 {label}",
            lambda v2=v2: [_told(each) for each in module.ObjectIteratorV2(bucket, **v2)],
        )
    record.call("list owner", partial(bucket.list_objects_v2, prefix="l/", fetch_owner=True))
    record.call("list too many", partial(bucket.list_objects, max_keys=100_000))
    page = bucket.list_objects_v2("l/", max_keys=3)
    token = page.next_continuation_token
    record.call(
        "list next", lambda: bucket.list_objects_v2("l/", continuation_token=token, max_keys=3)
    )
    record.same("is folder", [each.is_prefix() for each in bucket.list_objects("l/b").object_list])
    record.call("list versions", lambda: len(bucket.list_object_versions("l/").versions))


def _told(entry: Any) -> tuple[str, Any, Any, bool]:
    return (entry.key, entry.size, entry.type, entry.is_prefix())


def parts(record: Record, bucket: Any) -> None:
    """Uploads in parts with a context."""
    models = record.scene.part("models")
    new = models.MultipartUploadCryptoContext
    init = bucket.init_multipart_upload
    for label, context in {
        "no context": None,
        "no size": new(part_size=PART),
        "unaligned": new(LARGE and len(LARGE), PART + 1),
        "small": new(len(LARGE), 16),
        "too many": new(102_400 * 10_001, PART),
        "determined": new(len(LARGE)),
        "determined large": new(10 * 1024**4),
    }.items():
        record.call(f"init {label}", partial(init, "parts", upload_context=context))
        record.same(f"init {label} size", context and context.part_size)
    context = new(len(LARGE), PART)
    headers = {"Content-Type": "text/own", "x-oss-meta-a": "b"}
    upload_id = init("parts", headers=headers, upload_context=context).upload_id
    infos = []
    for number, start in enumerate(range(0, len(LARGE), PART), 1):
        body = LARGE[start : start + PART]
        part = record.call(
            f"part {number}",
            partial(bucket.upload_part, "parts", upload_id, number, body, upload_context=context),
        )
        infos.append(models.PartInfo(number, part.etag, size=len(body), part_crc=part.crc))
    record.call("parts", partial(bucket.list_parts, "parts", upload_id))
    record.call("parts two", partial(bucket.list_parts, "parts", upload_id, max_parts=2))
    record.call("parts after", partial(bucket.list_parts, "parts", upload_id, marker="1"))
    iterator = record.scene.module.PartIterator
    record.call(
        "parts iterated",
        lambda: [(each.part_number, each.size) for each in iterator(bucket, "parts", upload_id)],
    )
    wrong = [models.PartInfo(1, "0" * 32), *infos[1:]]
    record.call(
        "complete wrong", lambda: bucket.complete_multipart_upload("parts", upload_id, wrong)
    )
    record.call("complete", lambda: bucket.complete_multipart_upload("parts", upload_id, infos))
    record.call(
        "complete again", lambda: bucket.complete_multipart_upload("parts", upload_id, infos)
    )
    record.call("parts back", lambda: bucket.get_object("parts").read())
    record.call("parts head", partial(bucket.head_object, "parts"))
    record.call("parts range", lambda: bucket.get_object("parts", (PART - 3, PART + 3)).read())
    record.call("abort done", partial(bucket.abort_multipart_upload, "parts", upload_id))
    record.call(
        "part none",
        lambda: bucket.upload_part("parts", upload_id, 1, LARGE[:PART], upload_context=context),
    )


def uploads_under_way(record: Record, bucket: Any) -> None:
    """Lists of uploads, and their end."""
    models, module = record.scene.part("models"), record.scene.module
    ids = {}
    for name in ("u/1", "u/2", "u/d/3"):
        context = models.MultipartUploadCryptoContext(len(LARGE), PART)
        ids[name] = bucket.init_multipart_upload(name, upload_context=context).upload_id
        seen: list[tuple[int, int]] = []
        record.call(
            f"{name} part",
            lambda name=name, context=context, seen=seen: bucket.upload_part(
                name,
                ids[name],
                1,
                LARGE[:PART],
                progress_callback=lambda *told: seen.append(told),
                upload_context=context,
            ),
        )
        record.same(f"{name} progress", seen[-1])
    record.call("uploads", partial(bucket.list_multipart_uploads, prefix="u/"))
    folders = {"prefix": "u/", "delimiter": "/"}
    record.call("uploads folders", partial(bucket.list_multipart_uploads, **folders))
    record.call("uploads two", partial(bucket.list_multipart_uploads, "u/", max_uploads=2))
    iterator = module.MultipartUploadIterator
    record.call("uploads iterated", lambda: [each.key for each in iterator(bucket, "u/")])
    of_one = module.ObjectUploadIterator
    record.call("uploads of one", lambda: [each.key for each in of_one(bucket, "u/1")])
    for name, upload_id in ids.items():
        record.call(f"abort {name}", partial(bucket.abort_multipart_upload, name, upload_id))
    record.call("abort none", partial(bucket.abort_multipart_upload, "u/1", ids["u/1"]))
    record.call("parts none", partial(bucket.list_parts, "u/1", ids["u/1"]))


def without_context(record: Record, bucket: Any) -> None:
    """A part for which no context is handed over."""
    models = record.scene.part("models")
    context = models.MultipartUploadCryptoContext(PART, PART)
    upload_id = bucket.init_multipart_upload("bare", upload_context=context).upload_id
    record.call(
        "part without context", lambda: bucket.upload_part("bare", upload_id, 1, LARGE[:PART])
    )
    bucket.abort_multipart_upload("bare", upload_id)


def transfers(record: Record, bucket: Any) -> None:
    """Resumable transfers, in parts and whole."""
    module, folder = record.scene.module, record.scene.folder
    path, back = folder / "there.bin", folder / "back.bin"
    path.write_bytes(LARGE)
    for label, given in {
        "whole": {},
        "parts": {"multipart_threshold": PART, "part_size": PART},
        "threads": {"multipart_threshold": PART, "part_size": PART, "num_threads": 3},
        "headers": {
            "multipart_threshold": PART,
            "part_size": PART,
            "headers": {"x-oss-meta-a": "1"},
        },
        "odd": {"multipart_threshold": PART, "part_size": PART + 1},
        "wide": {"multipart_threshold": PART},
    }.items():
        name = f"up/{label}"
        seen: list[tuple[int, int]] = []
        record.call(
            name,
            lambda name=name, given=given, seen=seen: module.resumable_upload(
                bucket,
                name,
                str(path),
                progress_callback=lambda *told: seen.append(told),
                **given,
            ),
        )
        record.same(f"{name} progress", seen[-1] if seen else None)
        record.call(f"{name} back", lambda name=name: bucket.get_object(name).read())
    bucket.put_object("down", LARGE)
    for label, given in {
        "whole": {},
        "parts": {"multiget_threshold": 1, "part_size": PART},
        "odd": {"multiget_threshold": 1, "part_size": 33_333, "num_threads": 3},
    }.items():
        back.write_bytes(b"")
        seen = []
        record.call(
            f"down {label}",
            lambda given=given, seen=seen: module.resumable_download(
                bucket,
                "down",
                str(back),
                progress_callback=lambda *told: seen.append(told),
                **given,
            ),
        )
        record.same(f"down {label} bytes", short(back.read_bytes()))
        record.same(f"down {label} progress", seen[-1] if seen else None)
    record.call("down none", lambda: module.resumable_download(bucket, "none", str(back)))
    record.call("up none", lambda: module.resumable_upload(bucket, "x", str(folder / "missing")))
    for store in ("make_upload_store", "make_download_store"):
        made = getattr(module, store)(root=str(folder / "records"))
        key = made.make_store_key("bucket", "key", "file")
        record.same(f"{store} key", key)
        record.same(f"{store} none", made.get(key))
        made.put(key, {"a": 1})
        record.same(f"{store} one", made.get(key))
        made.delete(key)
        record.same(f"{store} gone", made.get(key))


def providers(record: Record) -> None:
    """Keys of every kind, and which reads which."""
    scene, crypto = record.scene, record.scene.part("crypto")
    described = scene.rsa(mat_desc={"desc": "one"})
    kinds = {
        "plain": scene.rsa(),
        "described": described,
        "other": scene.rsa(2),
        "kms": scene.ali_kms(),
        "kms described": scene.ali_kms(mat_desc={"desc": "kms"}),
        "kms passphrase": scene.ali_kms(passphrase="secret"),
    }
    for writer, provider in kinds.items():
        record.call(f"put by {writer}", partial(scene.bucket(provider).put_object, writer, DATA))
    for reader, provider in kinds.items():
        for writer in kinds:
            record.call(
                f"{reader} reads {writer}",
                lambda provider=provider, writer=writer: (
                    scene.bucket(provider).get_object(writer).read()
                ),
            )
    both = scene.rsa(2, mat_desc={"desc": "two"})
    both.add_encryption_materials(crypto.EncryptionMaterials({"desc": "one"}, key_pair=key_pair(1)))
    record.call("materials", lambda: scene.bucket(both).get_object("described").read())
    for name in ("wrap_alg", "mat_desc"):
        record.same(f"provider {name}", [getattr(each, name) for each in kinds.values()])
    record.same("cipher", [each.cipher.alg for each in kinds.values()])
    for label, deed in {
        "no dict": lambda: crypto.RsaProvider("text"),
        "no pem": lambda: crypto.RsaProvider({"private_key": "x", "public_key": "y"}),
        "no cipher": lambda: crypto.RsaProvider(key_pair(), cipher=None),
        "no description": lambda: crypto.RsaProvider(key_pair(), mat_desc="text"),
        "materials both": lambda: crypto.EncryptionMaterials({}, key_pair(), "cmk"),
        "materials text": lambda: crypto.EncryptionMaterials("text"),
        "materials pair": lambda: crypto.EncryptionMaterials({}, key_pair="text"),
    }.items():
        record.call(f"provider {label}", lambda deed=deed: type(deed()).__name__)
    materials = crypto.EncryptionMaterials({"a": "1"})
    materials.add_description("b", "2")
    materials.add_descriptions({"c": "3"})
    record.same("materials described", materials.desc)
    public = crypto.RsaProvider({"public_key": key_pair()["public_key"]})
    record.call("public puts", partial(scene.bucket(public).put_object, "public", DATA))


def wrong_places(record: Record) -> None:
    """Wrong credentials, no such bucket, nobody there."""
    module, scene = record.scene.module, record.scene
    right = (scene.oss.access_key_id, SECRET)
    for label, (identity, url, name) in {
        "wrong secret": ((right[0], "wrong"), scene.oss.url, BUCKET),
        "wrong id": (("nobody", SECRET), scene.oss.url, BUCKET),
        "no bucket": (right, scene.oss.url, "no-such-bucket"),
        "nobody there": (right, "http://127.0.0.1:9", BUCKET),
        "bad name": (right, scene.oss.url, "Bad_Name"),
    }.items():

        def made(identity: Any = identity, url: str = url, name: str = name) -> Any:
            return module.CryptoBucket(
                module.Auth(*identity), url, name, crypto_provider=scene.rsa(), connect_timeout=1
            )

        record.call(f"{label} put", lambda made=made: made().put_object("x", DATA))
        record.call(f"{label} get", lambda made=made: made().get_object("x"))
        record.call(f"{label} exists", lambda made=made: made().object_exists("x"))
        record.call(f"{label} list", lambda made=made: made().list_objects())
    for kind in ("AuthV2", "AuthV4"):
        auth = getattr(module, kind)(*right)
        options = {"crypto_provider": scene.rsa(), "region": scene.oss.region}
        bucket = module.CryptoBucket(auth, scene.oss.url, BUCKET, **options)
        record.call(f"{kind} put", partial(bucket.put_object, kind, DATA))
        record.call(f"{kind} get", lambda bucket=bucket, kind=kind: bucket.get_object(kind).read())
        url = bucket.sign_url("GET", kind, 60)
        record.call(
            f"{kind} url", lambda bucket=bucket, url=url: bucket.get_object_with_url(url).read()
        )
    record.call("anonymous", lambda: _anonymous(record).get_object("data"))


def _anonymous(record: Record) -> Any:
    module, scene = record.scene.module, record.scene
    return module.CryptoBucket(
        module.AnonymousAuth(), scene.oss.url, BUCKET, crypto_provider=scene.rsa()
    )


def small_things(record: Record) -> None:
    """Functions that such programs import beside the bucket."""
    module = record.scene.module
    sizes = [0, 1, PART, 10**7, 10**9, 10**11, 10**13]
    for preferred in (None, 1, PART, PART + 1, 10**7):
        record.call(
            f"part size {preferred}",
            lambda preferred=preferred: [
                module.determine_part_size(size, preferred_size=preferred) for size in sizes
            ],
        )
    path = record.scene.folder / "sized"
    path.write_bytes(DATA)
    with path.open("rb") as file:
        file.seek(100)
        sized = module.SizedFileAdapter(file, 200)
        record.same("sized length", sized.len)
        record.same("sized", (sized.read(150), sized.read(), sized.read()))
    defaults = record.scene.part("defaults")
    for name in dir(defaults):
        if isinstance(getattr(defaults, name), int | float):
            record.same(f"default {name}", getattr(defaults, name))
    for name in ("a.txt", "b.js", "c.unknown"):
        record.call(f"type {name}", partial(module.utils.content_type_by_name, name))
