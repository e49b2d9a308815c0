"""Files to objects and back, continued where an earlier call was interrupted.

Rule: oss2 decides what goes in parts and how large they are, this library does the rest: its
journal records what was sent, and a file or an object that changed meanwhile is begun anew, under a
new data key. What oss2 itself left unfinished is not continued: its records do not say which
plaintext was sent under the key that they name.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cipherbucket.errors import ObjectChangedError
from cipherbucket.format.span import MAX_PART_SIZE
from cipherbucket.oss2 import defaults
from cipherbucket.oss2._arguments import (
    FileName,
    ProgressCallback,
    file_named,
    sorted_headers,
    warn_of_parts_md5,
)
from cipherbucket.oss2._error_translation import oss2_errors
from cipherbucket.oss2._messages import message_of
from cipherbucket.oss2._objects import target_path, with_content_type
from cipherbucket.oss2._results import PutObjectResult
from cipherbucket.oss2.api import CryptoBucket
from cipherbucket.oss2.exceptions import ClientError, PreconditionFailed
from cipherbucket.oss2.utils import md5_string
from cipherbucket.transfers.state import open_own

_UPLOADS = ".py-oss-upload"
_DOWNLOADS = ".py-oss-download"
_BLOCK = 16
_PASSED_ON = ("x-oss-request-payer", "x-oss-traffic-limit")


def resumable_upload(
    bucket: Any,
    key: str,
    filename: FileName,
    store: ResumableStore | None = None,
    headers: Mapping[str, str] | None = None,
    multipart_threshold: int | None = None,
    part_size: int | None = None,
    progress_callback: ProgressCallback | None = None,
    num_threads: int | None = None,
    params: Mapping[str, str] | None = None,  # noqa: ARG001  oss2 passes none of them on, either
) -> PutObjectResult:
    """Encrypt a file and store it; a large one in parts, in parallel, resumable.

    Args:
        bucket: A `CryptoBucket`.
        key: The object's name.
        filename: The file.
        store: Says in which folder the journal lies; see `ResumableStore`.
        headers: Of the object.
        multipart_threshold: Files of as many bytes or more go in parts; None takes
            ``defaults.multipart_threshold``.
        part_size: Bytes of a part; None takes ``defaults.part_size``. One that cannot be is rounded
            up to a multiple of 16, 102,400 at least, and large enough that 10,000 parts suffice.
        progress_callback: Called with (bytes done, bytes in all), at most ten times a second and
            at the end.
        num_threads: Parts at once; None takes ``defaults.multipart_num_threads``.
        params: Without effect, as in oss2.

    Raises:
        OSError: The file cannot be read.
        ClientError: It changed while it was read, or another process uploads it.
        And the exceptions of `CryptoBucket.put_object`. What was sent stays, for the next call.
    """
    ours, path, state = _ours(bucket), Path(os.fsdecode(filename)), _journal_folder(store)
    size = os.stat(filename).st_size  # noqa: PTH116  an error names the file as it was given
    threshold = defaults.get(multipart_threshold, defaults.multipart_threshold)
    if size < max(threshold, 1):
        with open(filename, "rb") as file:  # noqa: PTH123
            result: PutObjectResult = bucket.put_object(
                key, file, headers=headers, progress_callback=progress_callback
            )
            return result
    sent = with_content_type(sorted_headers(headers), key)
    if sent.md5 is not None:
        warn_of_parts_md5()
    with file_named(filename), oss2_errors() as answers:
        ours.access.bucket(sent.added).upload(
            path,
            key,
            metadata=sent.metadata,
            headers=sent.kept,
            if_absent=sent.if_absent,
            part_size=_part_of(size, defaults.get(part_size, defaults.part_size)),
            workers=defaults.get(num_threads, defaults.multipart_num_threads),
            threshold=0,
            state=state,
            progress=progress_callback,
        )
        # An upload that was interrupted after its last request is only looked at.
        completed = any(answer.method == "POST" for answer in answers.seen)
        return PutObjectResult(answers.newest("POST" if completed else "HEAD"))


def resumable_download(
    bucket: Any,
    key: str,
    filename: FileName,
    multiget_threshold: int | None = None,
    part_size: int | None = None,
    progress_callback: ProgressCallback | None = None,
    num_threads: int | None = None,
    store: ResumableDownloadStore | None = None,
    params: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Write an object to a file, which appears when all of it is good; a large one resumable.

    Args:
        bucket: A `CryptoBucket`.
        key: The object's name.
        filename: The file; one that is there is replaced.
        multiget_threshold: Objects of as many bytes or more are fetched in ranges; None takes
            ``defaults.multiget_threshold``.
        part_size: Bytes of a range; None takes ``defaults.multiget_part_size``. One that cannot be
            is rounded up as in `resumable_upload`.
        progress_callback: As in `resumable_upload`.
        num_threads: Ranges at once; None takes ``defaults.multiget_num_threads``.
        store: As in `resumable_upload`.
        params: ``versionId``: this version rather than the newest.
        headers: Who pays, and a limit of the rate; others are not passed on, as in oss2.

    Raises:
        NoSuchKey: No such object.
        PreconditionFailed: It was replaced meanwhile.
        OSError: The file cannot be written.
        ClientError: Another process downloads to it.
        And the exceptions of `CryptoBucket.get_object`. What came stays, for the next call.
    """
    ours, path, state = _ours(bucket), target_path(filename), _journal_folder(store)
    passed_on = {name: text for name, text in (headers or {}).items() if name.lower() in _PASSED_ON}
    size = bucket.head_object(key, params=params, headers=passed_on).content_length
    threshold = defaults.get(multiget_threshold, defaults.multiget_threshold)
    if size < max(threshold, 1):
        bucket.get_object_to_file(
            key,
            os.fspath(path),
            progress_callback=progress_callback,
            params=params,
            headers=passed_on,
        )
        return
    with file_named(filename, target=True), oss2_errors():
        try:
            ours.access.bucket(passed_on).download(
                key,
                path,
                version_id=(params or {}).get("versionId"),
                part_size=_part_of(size, defaults.get(part_size, defaults.multiget_part_size)),
                workers=defaults.get(num_threads, defaults.multiget_num_threads),
                threshold=0,
                state=state,
                progress=progress_callback,
            )
        except ObjectChangedError as error:  # a range asked with If-Match, as in oss2
            details = {"Code": PreconditionFailed.code, "Message": message_of(error)}
            raise PreconditionFailed(412, {}, b"", details) from None


def determine_part_size(total_size: int, preferred_size: int | None = None) -> int:
    """Return a size of parts for a file, as oss2 does: it may be one that encryption cannot have.

    Args:
        total_size: Of the file in bytes.
        preferred_size: None takes ``defaults.part_size``.
    """
    size = preferred_size or defaults.part_size
    return total_size if total_size < size else _grown(total_size, size)


class _Folder:
    """Where the journals of transfers lie.

    Args:
        root: None takes the user's home.
        dir: A folder in it.

    Attributes:
        dir: The folder's path. It is made, for its owner alone.
    """

    def __init__(self, root: str | None, dir: str) -> None:  # noqa: A002  oss2's name
        self.dir = os.fspath(Path(root or Path.home()) / dir)
        Path(self.dir).mkdir(mode=0o700, parents=True, exist_ok=True)

    def get(self, key: str) -> Any:
        """Return a record that `put` wrote; None where there is none that can be read."""
        try:
            with os.fdopen(open_own(self._path(key), os.O_RDONLY), "rb") as file:
                return json.load(file)
        except (FileNotFoundError, ValueError):  # also what somebody else could have put there
            return None

    def put(self, key: str, value: Any) -> None:
        """Write a record of the program's own; transfers write none.

        Raises:
            ClientError: Somebody else could have put the file there that has its name.
        """
        with oss2_errors():
            descriptor = open_own(self._path(key), os.O_WRONLY | os.O_CREAT)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.truncate()
            json.dump(value, file)

    def delete(self, key: str) -> None:
        """Remove a record that `put` wrote.

        Raises:
            FileNotFoundError: There is none.
        """
        self._path(key).unlink()

    def _path(self, key: str) -> Path:
        return Path(self.dir) / key


class ResumableStore(_Folder):
    """The folder for the journals of uploads: ``.py-oss-upload`` in the user's home.

    Given to `resumable_upload` it says where the journal lies; without it that is the library's own
    place, ``CIPHERBUCKET_STATE`` or the user's state directory. The folder must be one that only
    its owner can write to, or nothing is remembered.

    Args:
        root: Another folder than the home.
        dir: Another folder in it.
    """

    def __init__(self, root: str | None = None, dir: str | None = None) -> None:  # noqa: A002
        super().__init__(root, dir or _UPLOADS)

    @staticmethod
    def make_store_key(bucket_name: str, key: str, filename: str) -> str:
        """Return oss2's name for the record of an upload."""
        return _record_name(f"oss://{bucket_name}/{key}", filename)


class ResumableDownloadStore(_Folder):
    """The same for downloads: ``.py-oss-download`` in the user's home; see `ResumableStore`.

    Args:
        root: Another folder than the home.
        dir: Another folder in it.
    """

    def __init__(self, root: str | None = None, dir: str | None = None) -> None:  # noqa: A002
        super().__init__(root, dir or _DOWNLOADS)

    @staticmethod
    def make_store_key(
        bucket_name: str, key: str, filename: str, version_id: str | None = None
    ) -> str:
        """Return oss2's name for the record of a download."""
        version = "" if version_id is None else f"?versionid={version_id}"
        return _record_name(f"oss://{bucket_name}/{key}{version}", filename)


def make_upload_store(root: str | None = None, dir: str | None = None) -> ResumableStore:  # noqa: A002
    """Return a `ResumableStore`."""
    return ResumableStore(root, dir)


def make_download_store(root: str | None = None, dir: str | None = None) -> ResumableDownloadStore:  # noqa: A002
    """Return a `ResumableDownloadStore`."""
    return ResumableDownloadStore(root, dir)


def _ours(bucket: object) -> CryptoBucket:
    if not isinstance(bucket, CryptoBucket):
        raise ClientError(
            f"a {type(bucket).__name__} is no CryptoBucket of cipherbucket.oss2's, which this takes"
        )
    return bucket


def _journal_folder(store: object) -> str | None:
    """Return where a journal is to lie."""
    if store is None or isinstance(store, _Folder):
        return None if store is None else store.dir
    raise ClientError(
        "a store of records of one's own cannot hold a journal, which must be on the disk before"
        " anything is sent: give make_upload_store(root, dir), or none"
    )


def _part_of(total_size: int, preferred: int) -> int:
    """Return a size of parts that an encrypted object can have, near the one that is asked for."""
    size = _grown(total_size, max(min(total_size, preferred), 1))
    return min(-(-size // _BLOCK) * _BLOCK, MAX_PART_SIZE)


def _grown(total_size: int, size: int) -> int:
    while size * defaults.max_part_count < total_size or size < defaults.min_part_size:
        size *= 2
    return size


def _record_name(object_path: str, filename: str) -> str:
    return f"{md5_string(object_path)}--{md5_string(os.path.normpath(os.path.normcase(filename)))}"
