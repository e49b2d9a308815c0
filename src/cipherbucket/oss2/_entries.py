"""What results and requests are made of: parts, objects, versions, uploads."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(eq=False)
class PartInfo:
    """One part of an upload.

    Attributes:
        part_number: Its place, from 1.
        etag: Without quotes.
        size: Bytes.
        last_modified: When it arrived, in seconds since 1970.
        part_crc: CRC-64 of what is stored.
    """

    part_number: int
    etag: str | None
    size: int | None = None
    last_modified: int | None = None
    part_crc: int | None = None


class Owner:
    """Whose an object is: ``display_name`` and ``id``."""

    def __init__(self, display_name: str | None, owner_id: str | None) -> None:
        self.display_name = display_name
        self.id = owner_id


@dataclass(eq=False)
class SimplifiedObjectInfo:
    """One line of a listing: an object or a common prefix.

    Attributes:
        key: Its name.
        last_modified: Seconds since 1970; None for a prefix.
        etag: Without quotes.
        type: ``Normal``, ``Multipart`` ...
        size: Stored bytes.
        storage_class: The storage class.
        owner: Whose it is, where that was asked for.
        restore_info: Of an archived object that was restored.
    """

    key: str
    last_modified: int | None
    etag: str | None
    type: str | None
    size: int | None
    storage_class: str | None
    owner: Owner | None = None
    restore_info: str | None = None

    def is_prefix(self) -> bool:
        """Return whether it is a common prefix."""
        return self.last_modified is None


@dataclass(eq=False)
class MultipartUploadInfo:
    """An unfinished upload, or a common prefix of some.

    Attributes:
        key: The object's name.
        upload_id: None for a prefix.
        initiation_date: When it was begun, in seconds since 1970.
    """

    key: str
    upload_id: str | None
    initiation_date: int | None

    def is_prefix(self) -> bool:
        """Return whether it is a common prefix."""
        return self.upload_id is None


class BatchDeleteObjectVersion:
    """A version that is to be deleted; an empty ``versionid`` means the newest."""

    def __init__(self, key: str | None = None, versionid: str | None = None) -> None:
        self.key = key or ""
        self.versionid = versionid or ""


class BatchDeleteObjectVersionList:
    """Versions that are to be deleted."""

    def __init__(self, object_version_list: list[BatchDeleteObjectVersion] | None = None) -> None:
        self.object_version_list = object_version_list or []

    def append(self, object_version: BatchDeleteObjectVersion) -> None:
        """Add one."""
        self.object_version_list.append(object_version)

    def len(self) -> int:
        """Return how many there are."""
        return len(self.object_version_list)


class BatchDeleteObjectVersionResult:
    """What was deleted.

    Args:
        key: The object's name.
        versionid: The version.
        delete_marker: Whether a delete marker was made or deleted.
        delete_marker_versionid: Its version.
    """

    def __init__(
        self,
        key: str,
        versionid: str | None = None,
        delete_marker: bool | None = None,
        delete_marker_versionid: str | None = None,
    ) -> None:
        self.key = key
        self.versionid = versionid or ""
        self.delete_marker = delete_marker or False
        self.delete_marker_versionid = delete_marker_versionid or ""


class DeleteMarkerInfo:
    """A delete marker in a list of versions."""

    def __init__(self) -> None:
        self.key = ""
        self.versionid = ""
        self.is_latest = False
        self.last_modified: int | str = ""
        self.owner = Owner("", "")


class ObjectVersionInfo:
    """A version in a list of versions."""

    def __init__(self) -> None:
        self.key = ""
        self.versionid = ""
        self.is_latest = False
        self.last_modified: int | str = ""
        self.owner = Owner("", "")
        self.type = ""
        self.storage_class = ""
        self.size: int | str = ""
        self.etag = ""
        self.restore_info: str | None = ""


@dataclass(eq=False)
class RestoreJobParameters:
    """How fast an archived object is restored: ``tier``."""

    tier: str


@dataclass(eq=False)
class RestoreConfiguration:
    """For how many days an archived object is restored, and how fast."""

    days: int
    job_parameters: RestoreJobParameters | None = None
