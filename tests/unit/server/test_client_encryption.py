"""OSS's rules for client-side encryption headers, with the number of each refusal."""

from collections.abc import Callable
from functools import partial

import pytest

from cipherbucket.server.errors import OssError
from cipherbucket.server.operations import client_encryption

P = client_encryption.PREFIX
PUT = {f"{P}key": "a2V5", f"{P}start": "c3RhcnQ=", f"{P}cek-alg": "A", f"{P}wrap-alg": "W"}
INITIATE = {**PUT, f"{P}data-size": "250000", f"{P}part-size": "102400"}


def without(metadata: dict[str, str], suffix: str) -> dict[str, str]:
    return {name: value for name, value in metadata.items() if name != P + suffix}


def number_of(refused: Callable[[], None]) -> str:
    with pytest.raises(OssError) as caught:
        refused()
    assert caught.value.status == 400
    assert caught.value.code == "InvalidArgument"
    return caught.value.ec


@pytest.mark.parametrize("metadata", [{}, {"colour": "red"}, PUT, {**PUT, f"{P}matdesc": "{}"}])
def test_a_whole_set_or_none_may_be_put(metadata: dict[str, str]) -> None:
    client_encryption.check_put(metadata)


@pytest.mark.parametrize(
    ("suffix", "number"),
    [("key", "401"), ("start", "402"), ("cek-alg", "403"), ("wrap-alg", "404")],
)
def test_each_mandatory_header_is_missed(suffix: str, number: str) -> None:
    expected = f"0005-00000{number}"
    assert number_of(lambda: client_encryption.check_put(without(PUT, suffix))) == expected
    assert number_of(lambda: client_encryption.check_put({**PUT, P + suffix: ""})) == expected
    assert (
        number_of(lambda: client_encryption.check_initiate(without(INITIATE, suffix))) == expected
    )
    part = without(INITIATE, suffix)
    assert number_of(lambda: client_encryption.check_part(INITIATE, part)) == expected


def test_wrap_alg_rsa_demands_an_hmac() -> None:
    metadata = {**PUT, f"{P}wrap-alg": "rsa"}
    assert number_of(lambda: client_encryption.check_put(metadata)) == "0005-00000405"
    client_encryption.check_put({**metadata, f"{P}magic-number-hmac": "x"})


@pytest.mark.parametrize(
    ("suffix", "value", "number"),
    [
        ("data-size", None, "406"),
        ("part-size", None, "407"),
        ("data-size", "9x5.2", "408"),
        ("data-size", "-1", "408"),
        ("part-size", "9x5.2", "409"),
    ],
)
def test_the_sizes_must_be_there_and_be_integers(
    suffix: str, value: str | None, number: str
) -> None:
    metadata = without(INITIATE, suffix) if value is None else {**INITIATE, P + suffix: value}
    assert number_of(lambda: client_encryption.check_initiate(metadata)) == f"0005-00000{number}"


def test_a_part_brings_all_headers_unchanged_or_none() -> None:
    client_encryption.check_part(INITIATE, {})
    client_encryption.check_part(INITIATE, INITIATE)
    client_encryption.check_part({}, {})


@pytest.mark.parametrize(
    ("suffix", "number"),
    [
        ("key", "412"),
        ("start", "413"),
        ("cek-alg", "414"),
        ("wrap-alg", "415"),
        ("magic-number-hmac", "416"),
        ("data-size", "417"),
        ("part-size", "418"),
    ],
)
def test_a_part_whose_headers_differ_is_refused(suffix: str, number: str) -> None:
    part = {**INITIATE, P + suffix: "99"}
    assert number_of(lambda: client_encryption.check_part(INITIATE, part)) == f"0005-00000{number}"


@pytest.mark.parametrize("sizes", [[102400, 102400, 45200]])
def test_an_upload_that_keeps_its_word_completes(sizes: list[int]) -> None:
    client_encryption.check_complete(INITIATE, sizes)
    client_encryption.check_complete({}, [1, 2, 3])


@pytest.mark.parametrize(
    ("sizes", "number"),
    [
        ([102400, 102400, 45199, 1], "411"),
        ([102400, 102401, 45199], "419"),
        ([102400, 102400, 45201], "420"),
        ([102400, 102400], "420"),
        ([], "420"),
        ([250_000], "420"),
    ],
)
def test_an_upload_that_breaks_its_word_does_not(sizes: list[int], number: str) -> None:
    refused = number_of(lambda: client_encryption.check_complete(INITIATE, sizes))
    assert refused == f"0005-00000{number}"


def test_an_empty_object_may_have_one_part() -> None:
    empty = {**INITIATE, f"{P}data-size": "0"}
    client_encryption.check_complete(empty, [0])
    assert number_of(lambda: client_encryption.check_complete(empty, [0, 0])) == "0005-00000411"


def test_a_copy_may_not_change_these_headers() -> None:
    client_encryption.check_copy(PUT, {}, replace=False)
    client_encryption.check_copy({"a": "1"}, {"b": "2"}, replace=True)
    for source, given in ((PUT, {}), (PUT, PUT), ({}, PUT)):
        number = number_of(partial(client_encryption.check_copy, source, given, replace=True))
        assert number == "0005-00000421"


def test_an_encrypted_object_is_no_source_of_a_part() -> None:
    client_encryption.check_part_copy({"a": "1"})
    assert number_of(lambda: client_encryption.check_part_copy(PUT)) == "0042-00000309"
