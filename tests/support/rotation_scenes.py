"""What stories of rotation play with: keys, stores that others write to, and the law.

The law: whatever happens meanwhile, every object opens with its old key or with its new one, with
its plaintext intact, and what somebody else wrote stays.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.support.drawn_keys import draw_key

import cipherbucket as cb
from cipherbucket.keys.base import MasterKey
from cipherbucket.stores.base import Store
from cipherbucket.stores.oss.copying import POLICED
from cipherbucket.stores.oss.store import OssStore

FORMATS = ("oss", "sealed")
PART = 7 << 14
"""The size of parts where `small_parts` was called: OSS takes it, and it is whole chunks."""
SMALL = random.Random(1).randbytes(70_001)
LARGE = random.Random(2).randbytes(2 * PART + 33)
THEIRS = b"somebody else's"
METADATA = {"owner": "mé"}
HEADERS = {"content-type": "text/x", "cache-control": "no-cache"}

_HOOKS = (
    "head",
    "get",
    "attributes",
    "put",
    "replace_metadata",
    "begin_upload",
    "upload_part",
    "complete_upload",
    "list_uploads",
    "list_parts",
    "upload_metadata",
    "abort_upload",
)
WRITES = ("put", "replace_metadata", "begin_upload", "upload_part", "complete_upload")


class LikeOss(cb.MemoryStore):
    """A memory store in which an envelope of format ``oss`` is as fixed as in OSS."""

    fixed_metadata = POLICED


class Unconditional(LikeOss):
    """One that cannot hold conditions at the moment of a write, as OSS cannot."""

    conditional = False


@cache
def rsa_pair(label: str) -> rsa.RSAPrivateKey:
    return draw_key(65537, 2048)


def key_for(format: str, label: str) -> MasterKey:  # noqa: A002  the word of the documents
    """Return a key of that label, always the same."""
    if format == "oss":
        return cb.RsaKey(rsa_pair(label), description={"desc": label})
    return cb.AesKey(random.Random(label).randbytes(32), description={"desc": label})


def public_half(label: str) -> cb.RsaKey:
    return cb.RsaKey(rsa_pair(label).public_key(), description={"desc": label})


@dataclass
class Scene:
    """A store with an object under the old key, in a format."""

    store: Store
    format: str
    plain: bytes = SMALL
    name: str = "folder/object"
    old: MasterKey = field(init=False)
    new: MasterKey = field(init=False)

    def __post_init__(self) -> None:
        self.old, self.new = key_for(self.format, "old"), key_for(self.format, "new")

    def bucket(self, *keys: MasterKey, **how: Any) -> cb.Bucket:
        return cb.Bucket(self.store, cb.KeyRing(*(keys or (self.old,))), format=self.format, **how)

    def put(self, plain: bytes | None = None, name: str | None = None) -> cb.ObjectInfo:
        self.plain = self.plain if plain is None else plain
        return self.bucket().put(
            name or self.name,
            self.plain,
            metadata=METADATA,
            headers=HEADERS,
        )

    def rotated(self, *keys: MasterKey, to: MasterKey | None = None, **how: Any) -> cb.ObjectInfo:
        """Rewrap it, with a bucket over the old key unless told otherwise."""
        return cb.rotation.rewrap(self.bucket(*keys), self.name, to or self.new, **how)

    def read(self, *keys: MasterKey, name: str | None = None) -> bytes:
        return self.bucket(*(keys or (self.new, self.old))).get(name or self.name).read()

    def label(self, name: str | None = None) -> str:
        return labels(self.bucket().head(name or self.name))[0]

    def opens(self, key: MasterKey, name: str | None = None) -> bool:
        """Tell whether the object opens with this key, whatever its description says."""
        with suppress(cb.SecurityError):
            return self.bucket().get(name or self.name, key=key).read() == self.plain
        return False

    def assert_law(self) -> None:
        assert self.read() == self.plain
        assert self.store.list_uploads() == []
        info = self.bucket().head(self.name)
        assert dict(info.metadata) == METADATA
        assert HEADERS.items() <= dict(info.headers).items()


def labels(info: cb.ObjectInfo) -> list[str]:
    assert info.envelope is not None
    return [recipient.description.get("desc", "") for recipient in info.envelope.recipients]


def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what is larger than `PART` go in parts of it, or of what a store takes."""
    monkeypatch.setattr("cipherbucket.objects.store_to_store.THRESHOLD", PART)
    monkeypatch.setattr("cipherbucket.objects.store_to_store.good_part_size", lambda _: PART)
    monkeypatch.setattr("cipherbucket.rotation.new_data_key.LARGE", PART)
    monkeypatch.setattr("cipherbucket.writing.put.good_part_size", lambda *_: PART)
    monkeypatch.setattr("cipherbucket.writing.unknown_length.growing_part_size", lambda _: PART)


class Requests:
    """The requests that reach a store, in order; a test may break in before and after each.

    Those of HTTP, where the store speaks it; else the calls of its own methods. What a test does
    when it breaks in is not counted.

    Attributes:
        names: What each request is.
        before: Called with the number of a request, from 1, and its name.
        after: The same, when it was done.
    """

    def __init__(self, store: Store, *, http: bool = True) -> None:
        self.names: list[str] = []
        self.before: Callable[[int, str], object] = _nothing
        self.after: Callable[[int, str], object] = _nothing
        self._breaking_in = threading.local()
        self._lock = threading.Lock()
        if http and isinstance(store, OssStore):
            client: Any = store.client.http
            client.request = self._watched(client.request, http_name)
            return
        for hook in _HOOKS:
            original = getattr(store, f"_{hook}")
            setattr(store, f"_{hook}", self._watched(original, lambda *_, hook=hook: hook))

    def forget(self) -> None:
        self.names.clear()
        self.before = self.after = _nothing

    def _watched(
        self, original: Callable[..., Any], name_of: Callable[..., str]
    ) -> Callable[..., Any]:
        def watched(*args: Any, **more: Any) -> Any:
            if getattr(self._breaking_in, "now", False):
                return original(*args, **more)
            name = name_of(*args)
            with self._lock:
                self.names.append(name)
                number = len(self.names)
            self._break_in(self.before, number, name)
            answer = original(*args, **more)
            self._break_in(self.after, number, name)
            return answer

        return watched

    def _break_in(self, do: Callable[[int, str], object], number: int, name: str) -> None:
        self._breaking_in.now = True
        try:
            do(number, name)
        finally:
            self._breaking_in.now = False


def _nothing(_: int, __: str) -> None:
    """Nobody breaks in."""


def http_name(method: str, url: str, headers: Mapping[str, str], *_: Any) -> str:
    query = parse_qs(urlsplit(url).query, keep_blank_values=True)
    asked = sorted(query.keys() & {"acl", "partNumber", "tagging", "uploadId", "uploads"})
    copy = ["copy"] if "x-oss-copy-source" in {key.lower() for key in headers} else []
    return " ".join([method, *asked, *copy])


MOMENTS = {"PUT", "POST uploadId", "PUT copy"}
"""The requests that make a change appear: in OSS there is a moment between the look and them."""
