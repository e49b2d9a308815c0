"""What OSS checks of client-side encryption headers: pure functions over metadata.

Rule: OSS knows no keys, but it knows the names. Whoever brings one ``client-side-encryption-*``
header brings all that are needed; the parts of an upload have the sizes that its initiation
announced; and nothing but a new upload changes these headers of an object. The numbers are those
of OSS's public pages 0005-00000401 to -421 and 0042-00000309; 403, 412, 414, 415 and 417 have no
known page of their own and follow from their neighbours' order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cipherbucket.server.errors import OssError, invalid_argument
from cipherbucket.server.numbers import whole_number

PREFIX = "client-side-encryption-"
# Suffix -> number when it is missing.
_MANDATORY = {"key": 401, "start": 402, "cek-alg": 403, "wrap-alg": 404}
_SIZES = {"data-size": 406, "part-size": 407}
# Suffix -> number when it is no integer.
_NO_INTEGER = {"data-size": 408, "part-size": 409}
# Suffix -> number when a part's header differs from that of the initiation.
_DIFFERS = {
    "key": 412,
    "start": 413,
    "cek-alg": 414,
    "wrap-alg": 415,
    "magic-number-hmac": 416,
    "data-size": 417,
    "part-size": 418,
}
_TOO_MANY_PARTS, _WRONG_PART, _WRONG_LAST_PART = 411, 419, 420


def encryption_of(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return the client-side encryption headers in user metadata, by suffix."""
    return {
        name.removeprefix(PREFIX): value
        for name, value in metadata.items()
        if name.startswith(PREFIX)
    }


def check_put(metadata: Mapping[str, str]) -> None:
    """Hold the metadata of a new object against the rules.

    Raises:
        OssError: InvalidArgument with the number of the header that is missing.
    """
    found = encryption_of(metadata)
    if found:
        _check_present(found, _MANDATORY)
        if found["wrap-alg"] == "rsa":
            _check_present(found, {"magic-number-hmac": 405})


def check_initiate(metadata: Mapping[str, str]) -> None:
    """Hold the metadata of a new multipart upload against the rules.

    Raises:
        OssError: InvalidArgument; as `check_put`, and the sizes must be there and be integers.
    """
    check_put(metadata)
    found = encryption_of(metadata)
    if found:
        _check_present(found, _SIZES)
        _check_integers(found)


def check_part(initiated: Mapping[str, str], metadata: Mapping[str, str]) -> None:
    """Hold the headers of a part against those that its upload began with.

    A part that brings none passes: the Java and C++ SDKs send none.

    Raises:
        OssError: InvalidArgument with the number of the header that is missing or differs.
    """
    found, expected = encryption_of(metadata), encryption_of(initiated)
    if not found:
        return
    _check_present(found, _MANDATORY | _SIZES)
    _check_integers(found)
    for suffix, number in _DIFFERS.items():
        if found.get(suffix, "") != expected.get(suffix, ""):
            raise _refused(
                number, suffix, "differs from that of the InitiateMultipartUpload request"
            )


def check_complete(initiated: Mapping[str, str], sizes: Sequence[int]) -> None:
    """Hold the sizes of the parts, in order, against what the upload announced.

    Raises:
        OssError: InvalidArgument: too many parts, or one that has not its size.
    """
    found = encryption_of(initiated)
    if not found:
        return
    data_size, part_size = int(found["data-size"]), int(found["part-size"])
    most = max(1, -(-data_size // part_size)) if part_size else 1
    if len(sizes) > most:
        raise _refused(
            _TOO_MANY_PARTS,
            "part-size",
            f"and data-size allow {most:,} parts; {len(sizes):,} were named",
        )
    for position, size in enumerate(sizes[:-1], start=1):
        if size != part_size:
            raise _refused(
                _WRONG_PART, "part-size", f"is {part_size:,}; part {position} has {size:,} bytes"
            )
    if sum(sizes) != data_size or max(sizes, default=0) > part_size:
        raise _refused(
            _WRONG_LAST_PART,
            "data-size",
            f"is {data_size:,}; the parts have {sum(sizes):,} bytes together",
        )


def check_copy(source: Mapping[str, str], given: Mapping[str, str], *, replace: bool) -> None:
    """Refuse a copy that would change, add or drop these headers.

    Args:
        source: Metadata of the object that is copied.
        given: Metadata of the request.
        replace: The metadata of the request replace those of the source.

    Raises:
        OssError: InvalidArgument 0005-00000421.
    """
    if replace and (encryption_of(source) or encryption_of(given)):
        raise OssError(
            400,
            "InvalidArgument",
            "Metadata of a client-side encrypted object cannot be modified by CopyObject.",
            "0005-00000421",
        )


def check_part_copy(source: Mapping[str, str]) -> None:
    """Refuse an encrypted object as the source of a part.

    Raises:
        OssError: InvalidArgument 0042-00000309.
    """
    if encryption_of(source):
        raise OssError(
            400,
            "InvalidArgument",
            "UploadPartCopy from a client-side encrypted object is not supported.",
            "0042-00000309",
        )


def _check_present(found: Mapping[str, str], needed: Mapping[str, int]) -> None:
    for suffix, number in needed.items():
        if not found.get(suffix):
            raise _refused(number, suffix, "is missing")


def _check_integers(found: Mapping[str, str]) -> None:
    for suffix, number in _NO_INTEGER.items():
        if whole_number(found[suffix]) is None:
            raise _refused(number, suffix, "is not an integer")


def _refused(number: int, suffix: str, what: str) -> OssError:
    name = f"x-oss-meta-{PREFIX}{suffix}"
    return invalid_argument(f"The value of {name} {what}.", name, ec=f"0005-{number:08d}")
