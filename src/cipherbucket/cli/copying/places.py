"""What place a URL or a path is, whatever way it is written.

Rule: source and target are never one place, and no folder of files lies in the folder of a store.
Folders are compared by device and file number, so that links, ``.``, ``..`` and mounts make no
difference; buckets by their name and the host that serves it.
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import cipherbucket as cb
from cipherbucket.cli.options.addresses import ENDPOINTS_OF_S3
from cipherbucket.cli.options.config import Settings, settings_of
from cipherbucket.cli.options.parsing import is_url, split_tree_url

_CLOUD = "aliyuncs.com"
"""Names of buckets are unique in all of OSS, whatever region, network, host or protocol it is
reached by."""
_AWS = ("amazonaws.com", "amazonaws.com.cn")
"""And in each of these."""

_LOOPBACK = {"127.0.0.1", "::1"}


def store_place(store_url: str, settings: Settings | None = None) -> Hashable:
    """Return what is equal for two URLs of one store, and for no others.

    Args:
        store_url: The store.
        settings: How OSS or S3 is reached; None for what file and environment say.
    """
    scheme, _, rest = store_url.partition("://")
    if scheme == "file":
        with suppress(OSError):
            return _number(Path(rest).stat())
        return "file", os.path.realpath(rest)
    if scheme in {"oss", "s3"}:
        host = _host(scheme, settings or settings_of(store_url))
        return "oss" if host == _CLOUD else scheme, rest.removesuffix("/"), host
    return scheme, rest.removesuffix("/")


def place_of(source: str, settings: Settings | None = None) -> str:
    """Return what is equal for two paths or URLs of one place, and for no others."""
    if not is_url(source):
        return os.path.realpath(source)
    store_url, prefix = split_tree_url(source)
    return f"{store_place(store_url, settings)} {prefix}"


def refuse_overlap(place: Hashable, prefix: str, target: Hashable, target_prefix: str) -> None:
    """Refuse to keep one prefix like another where one of them is in the other, or the same.

    Args:
        place: `store_place` of the source.
        prefix: The prefix there.
        target: `store_place` of the target.
        target_prefix: The prefix there.

    Raises:
        UsageError: They are.
    """
    if place == target and prefix == target_prefix:
        raise cb.UsageError("source and target are the same place", hint="name another target")
    if place == target and (target_prefix.startswith(prefix) or prefix.startswith(target_prefix)):
        raise cb.UsageError("one of source and target is in the other", hint="use cp -r")


def refuse_folder_of(store_url: str, folder: Path) -> None:
    """Refuse to take the files that a directory store is made of for a folder of files.

    Raises:
        UsageError: The folder is in the store, or the store itself.
    """
    if not store_url.startswith("file://"):
        return
    store = Path(store_url.removeprefix("file://"))
    own = set(file_numbers([store])) | set(file_numbers(_folders_in(store)))
    path = Path(os.path.realpath(folder))
    if own.intersection(file_numbers([path, *path.parents])):
        raise cb.UsageError(f"{folder} is in the folder of the store", hint="name another folder")


def _folders_in(store: Path) -> list[Path]:
    """Return the folders of a store, each of which can be mounted elsewhere by itself."""
    with suppress(OSError), os.scandir(store) as entries:
        return [Path(each.path) for each in entries if each.is_dir(follow_symlinks=False)]
    return []


def file_numbers(paths: Iterable[Path]) -> Iterator[tuple[int, int]]:
    """Give device and number of what paths lead to; nothing where there is nothing."""
    for path in paths:
        with suppress(OSError, ValueError):
            yield _number(path.stat())


def _number(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _host(scheme: str, settings: Settings | None) -> str:
    """Return the host of a service; of a cloud the one that stands for all of it."""
    if scheme == "oss":
        endpoint = (settings or cb.OssSettings()).endpoint or _CLOUD
    else:
        given = settings.endpoint if settings is not None else None
        if given is None:
            given = next(filter(None, map(os.environ.get, ENDPOINTS_OF_S3)), None)
        endpoint = given or _AWS[0]
    parts = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}")
    host = (parts.hostname or "").rstrip(".")
    for cloud in (_CLOUD, *_AWS):
        if host == cloud or host.endswith(f".{cloud}"):
            return cloud
    if host in _LOOPBACK:
        host = "localhost"
    port = parts.port or (80 if parts.scheme == "http" else 443)
    return f"{host}:{port}"
