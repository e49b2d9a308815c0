"""TLS: a certificate that is not trusted ends the request; one that is named does not."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.private_ca import PrivateCa, tls_server

import cipherbucket as cb


@pytest.fixture
def authority(tmp_path: Path) -> PrivateCa:
    return PrivateCa(tmp_path)


@pytest.fixture
def server(authority: PrivateCa) -> Iterator[str]:
    with tls_server(authority.server_files()) as host:
        yield f"https://{host}"


def read(url: str, **how: object) -> bytes:
    settings = cb.OssSettings(
        region="r",
        endpoint=url,
        credentials=cb.Credentials("id", "secret"),
        attempts=1,
        **how,  # type: ignore[arg-type]
    )
    bucket = cb.Bucket(
        cb.open_store("oss://bucket", settings), cb.KeyRing(), policy=cb.Policy(plaintext=True)
    )
    with bucket, bucket.get("a") as stream:
        return stream.read()


def test_a_certificate_that_nobody_vouches_for_ends_the_request(server: str) -> None:
    with pytest.raises(cb.StoreError, match="certificate that is not trusted"):
        read(server)


def test_a_certificate_that_is_named_is_trusted(server: str, authority: PrivateCa) -> None:
    assert read(server, ca_file=str(authority.certificate)) == b"abc"


def test_any_certificate_is_taken_only_on_demand(server: str) -> None:
    with pytest.warns(Warning, match="Unverified HTTPS"):
        assert read(server, verify=False) == b"abc"
