"""What a bucket accepts on reading.

Rule: a bucket reads the formats its policy names and nothing else; plaintext only by name. Without
that, whoever can write to the store strips an envelope, or puts an older format in its place, and
the reader takes the attacker's bytes for the owner's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from cipherbucket.errors import PolicyError, UsageError
from cipherbucket.format.envelope import Envelope
from cipherbucket.format.metadata_names import FORMATS, OSS, OSS_V1

PLAINTEXT = "plaintext"
"""What an object without an envelope is called."""
_READS = {OSS: (OSS, OSS_V1)}


@dataclass(frozen=True)
class Policy:
    """Rules for the objects a bucket reads.

    Attributes:
        formats: Accepted formats, of ``oss``, ``oss-v1`` and ``sealed``. None takes those of the
            bucket: the one it writes, with ``oss-v1`` beside ``oss``.
        plaintext: Whether objects without an envelope are read as they are.
        min_rsa_bits: Objects whose key was wrapped with a shorter RSA key are refused; sealed
            ones always below 2,048.
        unbound_names: Whether sealed objects that are bound to no name are read, and may be
            written. The store can serve such an object in the place of any other.
        strict_iv: Whether only objects with a masked IV are read, in format ``oss``: bytes 8 to 11
            are zero, as most SDKs write them. Random IVs are otherwise read with keys that know
            whether they wrapped what they unwrapped: RSA and KMS keys, and others by their own
            ``was_wrapped``.

    Raises:
        UsageError: An unknown format.
    """

    formats: frozenset[str] = frozenset({OSS, OSS_V1})
    plaintext: bool = False
    min_rsa_bits: int = 1024
    strict_iv: bool = False
    unbound_names: bool = False
    _named: bool = field(default=True, compare=False, repr=False)

    def __init__(
        self,
        formats: Iterable[str] | None = None,
        *,
        plaintext: bool = False,
        min_rsa_bits: int = 1024,
        strict_iv: bool = False,
        unbound_names: bool = False,
    ) -> None:
        object.__setattr__(self, "_named", formats is not None)
        formats = _READS[OSS] if formats is None else formats
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
        object.__setattr__(self, "unbound_names", unbound_names)

    @classmethod
    def of_format(cls, format: str) -> Policy:  # noqa: A002  the word of the documents
        """Return the policy of a bucket that writes this format: what it writes, it reads.

        Raises:
            UsageError: An unknown format.
        """
        return cls(_READS.get(format, (format,)))

    def in_bucket(self, format: str) -> Policy:  # noqa: A002  the word of the documents
        """Return this policy with the formats of a bucket, where it names none itself.

        Raises:
            UsageError: An unknown format.
        """
        if self._named:
            return self
        return self._with(_READS.get(format, (format,)), plaintext=self.plaintext)

    def admitting(self, kinds: Iterable[str]) -> Policy:
        """Return this policy with further formats, or ``plaintext``, accepted.

        Raises:
            UsageError: An unknown format.
        """
        further = frozenset(kinds)
        return self._with(
            self.formats | further - {PLAINTEXT}, plaintext=self.plaintext or PLAINTEXT in further
        )

    def _with(self, formats: Iterable[str], *, plaintext: bool) -> Policy:
        return Policy(
            formats,
            plaintext=plaintext,
            min_rsa_bits=self.min_rsa_bits,
            strict_iv=self.strict_iv,
            unbound_names=self.unbound_names,
        )

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
        if envelope.seal is not None and not (self.unbound_names or envelope.seal.binds_name):
            raise PolicyError(
                "the object is bound to no name, and this bucket does not accept such objects",
                hint="if you wrote such objects, read it with policy=Policy(unbound_names=True);"
                " if not, someone may have put it in another's place",
            )
        for recipient in envelope.recipients:
            bits = 8 * len(recipient.wrapped_key)
            least = max(self.min_rsa_bits, 2048) if envelope.seal is not None else self.min_rsa_bits
            if recipient.algorithm.casefold().startswith("rsa") and bits < least:
                raise PolicyError(
                    f"the data key is wrapped with RSA-{bits}, this bucket accepts"
                    f" {least} bits or more",
                    hint="lower min_rsa_bits in the policy to read it, then write it anew",
                )
