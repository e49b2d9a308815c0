"""TLS: a certificate that is not trusted ends the request; one that is named does not."""

import datetime as dt
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import cipherbucket as cb


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate of 127.0.0.1 that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "tls.crt", folder / "tls.key"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths


class Handler(BaseHTTPRequestHandler):
    """An object of three bytes."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "3")
        self.send_header("etag", "E")
        self.end_headers()
        self.wfile.write(b"abc")

    def log_message(self, *_: object) -> None:
        pass


class QuietServer(HTTPServer):
    def handle_error(self, *_: object) -> None:
        """A client that does not trust us goes away: that is what is tested."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    certificate, key = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    running = QuietServer(("127.0.0.1", 0), Handler)
    running.socket = context.wrap_socket(running.socket, server_side=True)
    thread = threading.Thread(target=running.serve_forever, args=(0.01,))
    thread.start()
    yield f"https://127.0.0.1:{running.server_address[1]}"
    running.shutdown()
    running.server_close()
    thread.join()


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


def test_a_certificate_that_is_named_is_trusted(server: str, tmp_path: Path) -> None:
    assert read(server, ca_file=str(tmp_path / "tls.crt")) == b"abc"


def test_any_certificate_is_taken_only_on_demand(server: str) -> None:
    with pytest.warns(Warning, match="Unverified HTTPS"):
        assert read(server, verify=False) == b"abc"
