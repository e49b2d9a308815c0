"""The functions beside the calls that programs import; named as in oss2, where each has its home.

Rule: what is here is of use to a program. What oss2 needs for its own working is not here.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Iterable, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from cipherbucket.format.crc64 import crc64, crc64_combine
from cipherbucket.oss2._cipher import (
    AES_CTR,
    AES_GCM,
    AESCipher,
    AESCTRCipher,
    iv_to_big_int,
    random_iv,
    random_key,
)
from cipherbucket.oss2._content_types import content_type_by_name
from cipherbucket.oss2._streams import ProgressStream, SizedFileAdapter, make_progress_adapter
from cipherbucket.oss2._times import (
    date_to_iso8601,
    http_date,
    http_to_unixtime,
    iso8601_to_date,
    iso8601_to_unixtime,
    to_unixtime,
)
from cipherbucket.oss2.compat import to_bytes, to_string
from cipherbucket.oss2.exceptions import InconsistentError, OpenApiFormatError

__all__ = [
    "AES_CTR",
    "AES_GCM",
    "AESCTRCipher",
    "AESCipher",
    "Crc64",
    "ProgressStream",
    "SizedFileAdapter",
    "b64decode_from_string",
    "b64encode_as_string",
    "calc_obj_crc_from_parts",
    "check_crc",
    "content_md5",
    "content_type_by_name",
    "date_to_iso8601",
    "file_object_remaining_bytes",
    "force_rename",
    "how_many",
    "http_date",
    "http_to_unixtime",
    "is_valid_bucket_name",
    "is_valid_endpoint",
    "iso8601_to_date",
    "iso8601_to_unixtime",
    "iv_to_big_int",
    "make_progress_adapter",
    "makedir_p",
    "md5_string",
    "random_iv",
    "random_key",
    "set_content_type",
    "silently_remove",
    "to_bytes",
    "to_string",
    "to_unixtime",
]


def b64encode_as_string(data: str | bytes) -> str:
    """Return base64 as text."""
    return base64.b64encode(to_bytes(data)).decode()


def b64decode_from_string(data: str | bytes) -> bytes:
    """Return what stands in base64.

    Raises:
        OpenApiFormatError: It is none.
    """
    try:
        return base64.b64decode(data)
    except (TypeError, binascii.Error) as error:
        raise OpenApiFormatError("Base64 Error") from error


def content_md5(data: str | bytes) -> str:
    """Return the MD5 of data as the header ``Content-MD5`` has it."""
    digest = hashlib.md5(to_bytes(data), usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()


def md5_string(data: str | bytes) -> str:
    """Return the MD5 of data in hexadecimal."""
    return hashlib.md5(to_bytes(data), usedforsecurity=False).hexdigest()


def set_content_type(headers: MutableMapping[str, str] | None, name: str) -> Any:
    """Return headers with the content type of a name, where they have none."""
    result: MutableMapping[str, str] = {} if headers is None else headers
    if "Content-Type" not in result and (found := content_type_by_name(name)):
        result["Content-Type"] = found
    return result


def is_valid_bucket_name(name: str) -> bool:
    """Tell whether a bucket could have this name."""
    allowed = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")
    return 3 <= len(name) <= 63 and set(name) <= allowed and name[0] != "-" and name[-1] != "-"


def is_valid_endpoint(endpoint: str | None) -> bool:
    """Tell whether this could be an endpoint: a host, perhaps with scheme and port."""
    if endpoint is None:
        return False
    scheme, divider, rest = endpoint.rpartition("://")
    host, colon, port = rest.partition(":")
    return (
        (scheme.isascii() and scheme.isalpha() if divider else True)
        and bool(host)
        and all(each.isalnum() or each in "_.-" for each in host)
        and (port.isdecimal() if colon else True)
    )


def how_many(m: int, n: int) -> int:
    """Return how many parts of ``n`` bytes ``m`` bytes have."""
    return -(-m // n)


def file_object_remaining_bytes(fileobj: Any) -> int:
    """Return how many bytes of a file follow its position."""
    here: int = fileobj.tell()
    end: int = fileobj.seek(0, os.SEEK_END) or fileobj.tell()
    fileobj.seek(here)
    return end - here


class Crc64:
    """A CRC-64 as OSS computes it.

    Args:
        init_crc: Of what came before.

    Attributes:
        crc: So far.
    """

    def __init__(self, init_crc: int = 0) -> None:
        self.crc = init_crc

    def update(self, data: bytes) -> None:
        """Go on with these bytes."""
        self.crc = crc64(data, self.crc)

    __call__ = update

    def combine(self, crc1: int, crc2: int, len2: int) -> int:
        """Return the CRC of two pieces laid end to end."""
        return crc64_combine(crc1, crc2, len2)


def calc_obj_crc_from_parts(parts: Iterable[Any], init_crc: int = 0) -> int | None:
    """Return the CRC-64 of an object from those of its parts; None where one is not known."""
    whole = init_crc
    for part in parts:
        if not part.part_crc or not part.size:
            return None
        whole = crc64_combine(whole, part.part_crc, part.size)
    return whole


def check_crc(
    operation: str, client_crc: int | None, oss_crc: int | None, request_id: str | None
) -> None:
    """Compare two CRC-64, where both are known.

    Raises:
        InconsistentError: They differ.
    """
    if client_crc is not None and oss_crc is not None and client_crc != oss_crc:
        raise InconsistentError(
            f"{operation}: the CRC-64 here is {client_crc}, that of OSS {oss_crc}", request_id or ""
        )


def makedir_p(dirpath: str) -> None:
    """Make a folder and those above it."""
    Path(dirpath).mkdir(parents=True, exist_ok=True)


def silently_remove(filename: str) -> None:
    """Remove a file if it is there."""
    with suppress(FileNotFoundError):
        Path(filename).unlink()


def force_rename(src: str, dst: str) -> None:
    """Rename a file, over another if there is one."""
    Path(src).replace(dst)
