"""A certificate of its own for the KMS endpoint: most SDKs speak nothing but https with a KMS.

Rule: it is made only in a folder that was asked for and has none; what is there is never
overwritten, and a private key that others may read is refused. It is good for this machine's own
names alone, so that trusting it trusts nobody else.
"""

from __future__ import annotations

import ipaddress
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cipherbucket.errors import UsageError
from cipherbucket.server.listening import Certificate
from cipherbucket.server.private_files import make_private_folder, refuse_strangers

_DAYS = 825  # the longest that some systems accept
_OWN_NAMES = ("localhost", "127.0.0.1", "::1")


def certificate_in(folder: Path, host: str) -> Certificate:
    """Find the certificate in a folder, or make one there.

    Args:
        folder: With ``certificate.pem`` and ``private-key.pem``, or neither.
        host: What the endpoint binds to; a new certificate is good for it, too.

    Raises:
        UsageError: One of the two is missing, others may read the private key or have made it, or
            the certificate is none or has expired.
    """
    files = Certificate(folder / "certificate.pem", folder / "private-key.pem")
    try:
        for each in (folder, *files):
            refuse_strangers(each)
        there = [file.exists() for file in files]
        if not any(there):
            _make(files, host)
        elif not all(there):
            raise UsageError(f"{folder} has only one of {files[0].name} and {files[1].name}")
        elif files.private_key.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise UsageError(
                f"others may read {files.private_key}", hint=f"chmod 600 {files.private_key}"
            )
        _check_valid(files.certificate)
    except OSError as error:
        raise UsageError(f"no certificate can be kept in {folder}: {error.strerror}") from error
    return files


def _check_valid(file: Path) -> None:
    try:
        certificate = x509.load_pem_x509_certificates(file.read_bytes())[0]
    except ValueError as error:
        raise UsageError(f"{file} is no certificate") from error
    ends = certificate.not_valid_after_utc
    if ends < datetime.now(UTC):
        hint = f"remove {file.parent}, and a new one will be made"
        raise UsageError(f"{file} was good until {ends:%Y-%m-%d}", hint=hint)


def _make(files: Certificate, host: str) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cipherbucket local endpoint")])
    identifier = x509.SubjectKeyIdentifier.from_public_key(private.public_key())
    now = datetime.now(UTC)
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    names = x509.SubjectAlternativeName([_general(n) for n in dict.fromkeys([*_OWN_NAMES, host])])
    authority = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(names, critical=False)
        .add_extension(identifier, critical=False)
        .add_extension(authority, critical=False)
    )
    signed = builder.sign(private, hashes.SHA256())
    make_private_folder(files.private_key.parent)
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    _write(files.private_key, pem, 0o600)
    _write(files.certificate, signed.public_bytes(serialization.Encoding.PEM), 0o644)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _write(path: Path, data: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
