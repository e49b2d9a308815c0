"""An empty path is refused everywhere, and never taken for the working directory."""

from collections.abc import Callable
from pathlib import Path

import pytest

import cipherbucket as cb

KEY = cb.AesKey(bytes(32), description={"a": "b"})
CALLS: dict[str, Callable[[cb.Bucket], object]] = {
    "upload": lambda bucket: bucket.upload("", "n"),
    "download": lambda bucket: bucket.download("x", ""),
    "state": lambda bucket: bucket.upload(__file__, "n", state=""),
    "matches": lambda bucket: bucket.matches("x", ""),
    "open_bucket": lambda _: cb.open_bucket(""),
    "open_bucket file": lambda _: cb.open_bucket("file://"),
    "open_store": lambda _: cb.open_store(""),
    "split_url": lambda _: cb.split_url(""),
    "make_bucket": lambda _: cb.make_bucket("file://"),
    "LocalStore": lambda _: cb.LocalStore("", create=True),
    "load_key": lambda _: cb.load_key(""),
    "RsaKey": lambda _: cb.RsaKey.from_pem_file(""),
    "AesKey": lambda _: cb.AesKey.from_file(""),
    "create_rsa_key_file": lambda _: cb.create_rsa_key_file("", description={"a": "b"}),
    "create_aes_key_file": lambda _: cb.create_aes_key_file("", description={"a": "b"}),
    "open_sealed_file": lambda _: cb.open_sealed_file("", KEY),
    "load_config": lambda _: cb.load_config(""),
    "a name": lambda bucket: bucket.delete(""),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_an_empty_argument_is_refused(
    call: Callable[[cb.Bucket], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bucket = cb.open_bucket("memory://", KEY, format="sealed")
    bucket.put("x", b"1")
    with pytest.raises(cb.UsageError):
        call(bucket)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["write_html", "write_csv"])
def test_a_report_has_a_path(name: str) -> None:
    with (
        cb.audit.run(cb.open_bucket("memory://", KEY, format="sealed")) as audit,
        pytest.raises(cb.UsageError, match="empty"),
    ):
        getattr(audit, name)("")


@pytest.mark.parametrize(
    "call",
    [
        lambda bucket: bucket.upload("a\0b", "n"),
        lambda bucket: bucket.download("x", "a\0b"),
        lambda bucket: bucket.matches("x", "a\0b"),
        lambda _: cb.load_config("a\0b"),
    ],
)
def test_a_path_with_a_zero_byte_is_refused(call: Callable[[cb.Bucket], object]) -> None:
    bucket = cb.open_bucket("memory://", KEY, format="sealed")
    bucket.put("x", b"1")
    with pytest.raises(cb.UsageError, match="zero byte"):
        call(bucket)
