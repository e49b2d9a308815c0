"""Published vectors of key wrapping: those of NIST, RSA Security and BouncyCastle that
`cryptography_vectors` ships, and those of Wycheproof in `tests/vectors/wycheproof`.

RSA keys are built from their numbers in memory.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import cryptography_vectors
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

SHIPPED = Path(cryptography_vectors.__file__).parent
WYCHEPROOF = Path(__file__).parent.parent / "vectors" / "wycheproof"


@dataclass
class Published:
    """One RSA key of a file of vectors, with its pairs of message and wrapped message."""

    private: rsa.RSAPrivateKey
    pairs: list[tuple[bytes, bytes]] = field(default_factory=list)


@dataclass(frozen=True)
class KeyWrap:
    """One vector of RFC 5649; no plaintext where it must not unwrap."""

    kek: bytes
    plaintext: bytes | None
    wrapped: bytes


@dataclass(frozen=True)
class Wycheproof:
    """One vector of Wycheproof; values as in the file, hexadecimal."""

    values: Mapping[str, str]

    @property
    def valid(self) -> bool:
        return self.values["result"] == "valid"

    def __getitem__(self, name: str) -> bytes:
        return bytes.fromhex(self.values[name])

    def __str__(self) -> str:
        return f"{self.values['tcId']} {self.values['comment']}".strip()


def rsa_file(name: str) -> list[Published]:
    """Read sections of `# Heading:` and lines of hexadecimal."""
    return list(_sections((SHIPPED / "asymmetric" / "RSA" / name).read_text()))


def _sections(text: str) -> Iterator[Published]:
    numbers: dict[str, int] = {}
    current: Published | None = None
    message = b""
    sections = re.compile(r"^# ([A-Za-z0-9 ]+): *\n((?:[0-9a-f ]+\n)+)", re.MULTILINE)
    for heading, digits in sections.findall(text):
        # A number may have an odd count of digits; messages and ciphertexts never do.
        number = int("".join(digits.split()), 16)
        match heading:
            case "Message":
                message = bytes.fromhex(digits)
            case "Encryption":
                assert current is not None
                current.pairs.append((message, bytes.fromhex(digits)))
            case "Coefficient":
                numbers[heading] = number
                current = Published(_private(numbers))
                yield current
            case _:
                numbers[heading] = number


def labelled_with_sha512() -> tuple[rsa.RSAPrivateKey, bytes, bytes, bytes]:
    """Return BoringSSL's one vector of OAEP with a label: key, label, ciphertext, message."""
    text = (SHIPPED / "asymmetric" / "RSA" / "oaep-label.txt").read_text()
    values = dict(re.findall(r"^(\w+) = (.*)$", text, re.MULTILINE))
    assert values["OAEPDigest"] == "SHA512"
    private = serialization.load_der_private_key(bytes.fromhex(values["KEY"]), None)
    assert isinstance(private, rsa.RSAPrivateKey)
    label, wrapped = bytes.fromhex(values["OAEPLabel"]), bytes.fromhex(values["Input"])
    return private, label, wrapped, values["Output"].strip('"').encode()


def _private(numbers: Mapping[str, int]) -> rsa.RSAPrivateKey:
    """Build a published key; to search it for errors takes longer than its tests."""
    return rsa.RSAPrivateNumbers(
        p=numbers["Prime 1"],
        q=numbers["Prime 2"],
        d=numbers["Exponent"],
        dmp1=numbers["Prime exponent 1"],
        dmq1=numbers["Prime exponent 2"],
        iqmp=numbers["Coefficient"],
        public_numbers=rsa.RSAPublicNumbers(numbers["Public exponent"], numbers["Modulus"]),
    ).private_key(unsafe_skip_rsa_key_validation=True)


def key_wrap_file(name: str) -> list[KeyWrap]:
    """Read vectors of NIST's key wrap validation: K, C, P or FAIL.

    Those of files called ``_inv`` use the inverse of the cipher (SP 800-38F, section 5.1), which
    RFC 5649 does not.
    """
    text = (SHIPPED / "keywrap" / "kwtestvectors" / name).read_text()
    entries = []
    for block in text.split("COUNT = ")[1:]:
        values = dict(re.findall(r"^([KCP]) = ([0-9a-f]*)$", block, re.MULTILINE))
        assert ("P" in values) != ("\nFAIL" in block)
        plaintext = bytes.fromhex(values["P"]) if "P" in values else None
        entries.append(KeyWrap(bytes.fromhex(values["K"]), plaintext, bytes.fromhex(values["C"])))
    return entries


def wycheproof(name: str) -> list[Wycheproof]:
    """Return the vectors of a file."""
    tests: list[dict[str, str]] = _wycheproof(name)["tests"]
    return [Wycheproof(test) for test in tests]


@cache
def wycheproof_rsa_key(name: str) -> rsa.RSAPrivateKey:
    """Return the private key of a file."""
    stored: dict[str, str] = _wycheproof(name)["privateKey"]
    number = {part: int(digits, 16) for part, digits in stored.items()}
    return rsa.RSAPrivateNumbers(
        p=number["prime1"],
        q=number["prime2"],
        d=number["privateExponent"],
        dmp1=number["exponent1"],
        dmq1=number["exponent2"],
        iqmp=number["coefficient"],
        public_numbers=rsa.RSAPublicNumbers(number["publicExponent"], number["modulus"]),
    ).private_key()


@cache
def _wycheproof(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((WYCHEPROOF / f"{name}.json").read_bytes())
    return content
