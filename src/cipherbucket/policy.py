"""What a bucket accepts on reading.

Law: a bucket reads the formats its policy names and nothing else; plaintext only by name. Without
that, whoever can write to the store strips an envelope, or puts an older format in its place, and
the reader takes the attacker's bytes for the owner's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cipherbucket.errors import PolicyError, UsageError
from cipherbucket.format.envelope import FORMATS, OSS, OSS_V1, Envelope

_READS = {OSS: (OSS, OSS_V1)}


@dataclass(frozen=True)
class Policy:
    """Rules for the objects a bucket reads.

    Attributes:
        formats: Accepted formats, of ``oss``, ``oss-v1`` and ``sealed``.
        plaintext: Whether objects without an envelope are read as they are.
        min_rsa_bits: Objects whose key was wrapped with a shorter RSA key are refused.
        strict_iv: Whether bytes 8 to 11 of the IV must be zero, as every SDK writes them; this
            is also the best of the wrong-key checks. False reads foreign objects without it.

    Raises:
        UsageError: An unknown format.
    """

    formats: frozenset[str] = frozenset({OSS, OSS_V1})
    plaintext: bool = False
    min_rsa_bits: int = 1024
    strict_iv: bool = True

    def __init__(
        self,
        formats: Iterable[str] = (OSS, OSS_V1),
        *,
        plaintext: bool = False,
        min_rsa_bits: int = 1024,
        strict_iv: bool = True,
    ) -> None:
        chosen = frozenset([formats] if isinstance(formats, str) else formats)
        if unknown := chosen.difference(FORMATS):
            raise UsageError(
                f"unknown format {', '.join(sorted(unknown))}",
                hint=f"formats: {', '.join(FORMATS)}",
            )
        object.__setattr__(self, "formats", chosen)
        object.__setattr__(self, "plaintext", plaintext)
        object.__setattr__(self, "min_rsa_bits", min_rsa_bits)
        object.__setattr__(self, "strict_iv", strict_iv)

    @classmethod
    def of_format(cls, format: str) -> Policy:  # noqa: A002  the word of the documents
        """Return the policy of a bucket that writes this format: what it writes, it reads.

        Raises:
            UsageError: An unknown format.
        """
        return cls(_READS.get(format, (format,)))

    def admit(self, envelope: Envelope | None) -> None:
        """Let an object pass or not, by its envelope alone.

        Raises:
            PolicyError: Its format is not accepted, or its RSA key is too short.
        """
        if envelope is None:
            if not self.plaintext:
                raise PolicyError(
                    "the object is not encrypted and this bucket does not accept plaintext",
                    hint="if it should be plaintext, open with policy=Policy(plaintext=True);"
                    " if not, someone replaced it or stripped its envelope",
                )
            return
        if envelope.format not in self.formats:
            raise PolicyError(
                f"the object has format {envelope.format}, this bucket accepts"
                f" {', '.join(sorted(self.formats)) or 'none'}",
                hint="name the format in policy=Policy(formats=...)",
            )
        for recipient in envelope.recipients:
            bits = 8 * len(recipient.wrapped_key)
            if recipient.algorithm.casefold().startswith("rsa") and bits < self.min_rsa_bits:
                raise PolicyError(
                    f"the data key is wrapped with RSA-{bits}, this bucket accepts"
                    f" {self.min_rsa_bits} bits or more",
                    hint="lower min_rsa_bits in the policy to read it, then write it anew",
                )
