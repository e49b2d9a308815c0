"""Copies that never leave OSS, and what an object has beside its body and metadata.

Law: what is rewritten keeps all it had. CopyObject drops ACL, storage class and encryption at rest
unless told, a copy by parts the tags too; what cannot be kept is refused before anything is sent.
A copy by parts takes all its parts of one body, compares CRC-64 before the object gets its name,
and leaves nothing behind where it fails.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import reduce
from urllib.parse import quote

from cipherbucket.errors import (
    CipherbucketError,
    IntegrityError,
    StoreError,
    TransientStoreError,
    UploadNotFoundError,
    UsageError,
)
from cipherbucket.format.crc64 import crc64_combine
from cipherbucket.stores.bodies import Outgoing
from cipherbucket.stores.oss.headers import META, content_length, stored_object
from cipherbucket.stores.oss.http import Response
from cipherbucket.stores.oss.xml_verbs import OBJECT_ACL, OssXmlVerbs
from cipherbucket.stores.records import (
    CONTENT_HEADERS,
    MAX_PARTS,
    Part,
    StoredObject,
    check_conditions,
    check_there,
)

_ONE_COPY = 1 << 30
"""What is larger than this is copied by parts of this size, in bytes (OSS, "CopyObject")."""
_WORKERS = 4
POLICED = "client-side-encryption-"
"""OSS lets no CopyObject change metadata of these names (EC 0005-00000421), and takes no part of
an object that has them (EC 0042-00000309)."""
_SYMLINK, _APPENDABLE = "Symlink", "Appendable"
_STORAGE_CLASS, _TAGGING = "x-oss-storage-class", "x-oss-tagging"
_AT_REST = "x-oss-server-side-encryption"


class OssCopying(OssXmlVerbs):
    """The verbs of `OssStore` that rewrite objects where they lie."""

    @abstractmethod
    def _send(
        self,
        operation: str,
        method: str,
        name: str,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        body: Outgoing | None = None,
        stream: bool = False,
    ) -> Response: ...

    def _head(self, name: str, version_id: str | None) -> StoredObject:
        return self._look(name, version_id)[0]

    def _look(self, name: str, version_id: str | None) -> tuple[StoredObject, Mapping[str, str]]:
        """Return what a HEAD tells, and all headers of its answer."""
        query = {} if version_id is None else {"versionId": version_id}
        headers = self._send("HeadObject", "HEAD", name, query=query).headers
        return stored_object(name, headers, content_length(name, headers)), headers

    def _attributes(self, name: str, version_id: str | None) -> dict[str, str]:
        stored, answer = self._look(name, version_id)
        _check_rewritable(name, answer)
        return {
            **_content_headers(stored),
            **self._kept(stored, version_id),
            **self._tagging(name, version_id, answer),
        }

    def _kept(self, stored: StoredObject, version_id: str | None) -> dict[str, str]:
        """Return what CopyObject would drop unless told: ACL, storage class, encryption at rest."""
        kept = {
            key: text
            for key, text in stored.headers.items()
            if key.startswith((_STORAGE_CLASS, "x-oss-server-side"))
        }
        if (acl := self.acl(stored.name, version_id)) != "default":
            kept[OBJECT_ACL] = acl
        return _accepted(kept)

    def _tagging(
        self, name: str, version_id: str | None, answer: Mapping[str, str]
    ) -> dict[str, str]:
        """Return the tags as a PUT takes them; nothing is asked where there are none."""
        if answer.get("x-oss-tagging-count", "0") == "0":
            return {}
        return {_TAGGING: self.tagging(name, version_id)}

    def _copy(
        self, source: str, target: str, if_absent: bool, version_id: str | None
    ) -> StoredObject:
        stored, answer = self._look(source, version_id)
        kept = self._kept(stored, version_id)
        if _is_copied_at_once(stored, answer):
            sent = kept | {"x-oss-metadata-directive": "COPY"}
            if if_absent:
                sent["x-oss-forbid-overwrite"] = "true"
            return self._copy_object(stored, target, sent, version_id)
        headers = {
            **_content_headers(stored),
            **kept,
            **self._tagging(source, version_id, answer),
        }
        return self._copy_by_parts(
            stored, target, dict(stored.metadata), headers, version_id, if_absent, _nothing_to_check
        )

    def _replace_metadata(
        self,
        name: str,
        metadata: dict[str, str],
        headers: dict[str, str] | None,
        if_match: str | None,
        if_metadata: Mapping[str, str] | None,
    ) -> StoredObject:
        _refuse_policed(name, metadata)
        stored, answer = self._look(name, None)
        check_conditions(stored, if_absent=False, if_match=if_match, name=name)
        check_there(stored, if_metadata)
        _refuse_policed(name, stored.metadata)
        _check_rewritable(name, answer)
        headers = _content_headers(stored) if headers is None else headers
        given = _accepted({**self._kept(stored, None), **headers})
        if _is_copied_at_once(stored, answer):
            sent = given | with_prefix(metadata) | {"x-oss-metadata-directive": "REPLACE"}
            sent["x-oss-copy-source-if-match"] = f'"{stored.etag}"'
            if _TAGGING in sent:
                sent["x-oss-tagging-directive"] = "REPLACE"
            return self._copy_object(stored, name, sent, None)

        def unchanged() -> None:  # the parts took their time, and new metadata keep the ETag
            now = self._head(name, None)
            check_conditions(now, if_absent=False, if_match=stored.etag, name=name)
            check_there(now, stored.metadata if if_metadata is None else if_metadata)

        given = {**self._tagging(name, None, answer), **given}
        return self._copy_by_parts(
            stored, name, metadata, given, None, if_absent=False, check=unchanged
        )

    def _copy_object(
        self, stored: StoredObject, target: str, headers: dict[str, str], version_id: str | None
    ) -> StoredObject:
        origin = f"/{self._bucket}/{quote(stored.name)}"
        if version_id is not None:
            origin += f"?versionId={quote(version_id)}"
        headers["x-oss-copy-source"] = origin
        answer = self._send("CopyObject", "PUT", target, headers=headers).headers
        return self._written(target, answer.get("x-oss-version-id"))

    def _copy_by_parts(
        self,
        stored: StoredObject,
        target: str,
        metadata: dict[str, str],
        headers: dict[str, str],
        version_id: str | None,
        if_absent: bool,
        check: Callable[[], None],
    ) -> StoredObject:
        """Copy an object by ranges of it; ``check`` is called right before it gets its name."""
        upload_id = self._begin_upload(target, metadata, headers)
        try:
            parts = self._copied_parts(stored, target, upload_id, version_id)
            if all(part.crc64 is not None for part in parts):
                _compare(stored, _crc64_of(parts))
            check()
            done = self._completed(stored, target, upload_id, parts, if_absent, metadata)
        except BaseException:
            with suppress(CipherbucketError):
                self._abort_upload(target, upload_id)
            raise
        _compare(stored, done.crc64)
        return done

    def _copied_parts(
        self, stored: StoredObject, target: str, upload_id: str, version_id: str | None
    ) -> list[Part]:
        step = max(_ONE_COPY, -(-stored.size // MAX_PARTS))

        def copied(start: int) -> Part:
            stop = min(start + step, stored.size)
            number = start // step + 1
            return self._copy_part(stored, version_id, target, upload_id, number, start, stop)

        with ThreadPoolExecutor(_WORKERS) as pool:  # after a failure those not begun are left out
            return list(pool.map(copied, range(0, stored.size, step)))

    def _completed(
        self,
        stored: StoredObject,
        target: str,
        upload_id: str,
        parts: list[Part],
        if_absent: bool,
        metadata: dict[str, str],
    ) -> StoredObject:
        try:
            return self._complete_upload(target, upload_id, parts, if_absent, None)
        except (TransientStoreError, UploadNotFoundError):
            # The answer to the first attempt may have been lost: look at what is there.
            with suppress(StoreError):
                there = self._head(target, None)
                if dict(there.metadata) == metadata and there.crc64 == stored.crc64 is not None:
                    return there
            raise


def with_prefix(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return user metadata as headers."""
    return {META + key: text for key, text in metadata.items()}


def _is_copied_at_once(stored: StoredObject, answer: Mapping[str, str]) -> bool:
    """Tell whether CopyObject is the way: the only one for links and objects with an envelope.

    Above 1 GiB OSS takes it inside a bucket, as long as storage class and encryption stay.
    """
    policed = any(key.startswith(POLICED) for key in stored.metadata)
    return stored.size <= _ONE_COPY or policed or answer.get("x-oss-object-type") == _SYMLINK


def _refuse_policed(name: str, metadata: Mapping[str, str]) -> None:
    if any(key.startswith(POLICED) for key in metadata):
        raise UsageError(
            "OSS lets nobody change the metadata of an encrypted object (EC 0005-00000421)",
            name=name,
            hint="put the object again with the new metadata",
        )


def _check_rewritable(name: str, answer: Mapping[str, str]) -> None:
    """Refuse objects that would become something else.

    Raises:
        UsageError: A symlink or an appendable object.
    """
    kind = answer.get("x-oss-object-type")
    if kind == _SYMLINK:
        raise UsageError(
            "the object is a symlink, which a rewritten object would replace",
            name=name,
            hint="name the object that it leads to",
        )
    if kind == _APPENDABLE:
        raise UsageError(
            "the object is appendable, and would not be any more when it is rewritten",
            name=name,
            hint="copy it to another name first; the copy is an ordinary object",
        )


def _content_headers(stored: StoredObject) -> dict[str, str]:
    return {key: text for key, text in stored.headers.items() if key in CONTENT_HEADERS}


def _accepted(headers: dict[str, str]) -> dict[str, str]:
    """Leave out what a HEAD tells of encryption at rest and a PUT does not take.

    A key and a data algorithm go with KMS alone, and the only data algorithm to ask for is SM4.
    """
    kms = headers.get(_AT_REST) == "KMS"
    data = "x-oss-server-side-data-encryption"
    return {
        key: text
        for key, text in headers.items()
        if not (
            (key == f"{_AT_REST}-key-id" and not kms)
            or (key == data and not (kms and text == "SM4"))
        )
    }


def _crc64_of(parts: list[Part]) -> int:
    return reduce(lambda sofar, part: crc64_combine(sofar, part.crc64 or 0, part.size), parts, 0)


def _compare(stored: StoredObject, crc64: int | None) -> None:
    if stored.crc64 is not None and crc64 != stored.crc64:
        raise IntegrityError(
            "the copy that the store made has another CRC-64 than the object",
            name=stored.name,
            hint="read the object to see whether it is sound, then try again",
        )


def _nothing_to_check() -> None:
    """A copy may be of what was there when it began."""
