"""Where the layer is allowed to differ from oss2 2.19.1, and why.

A difference is (label of the call, path in what came of it); both are matched as wholes by regular
expressions. An entry that matches no difference any more is an error: the list stays minimal.
"""

from __future__ import annotations

from dataclasses import dataclass
from re import fullmatch


@dataclass(frozen=True)
class Allowed:
    """One kind of difference.

    Attributes:
        call: Labels of the calls.
        path: Paths in what came of them.
        why: The reason, which ``docs/oss2.md`` tells too.
    """

    call: str
    path: str
    why: str

    def matches(self, call: str, path: str) -> bool:
        """Tell whether a difference is of this kind."""
        return bool(fullmatch(self.call, call) and fullmatch(self.path, path))


_LENGTH = r"client-side-encryption-unencrypted-content-length"
_FAILURE = r"raised|status|code|ancestors\[\d\]"

ALLOWED = [
    Allowed(
        r".*",
        rf"(returned\.headers\.x-oss-meta-|metadata\.){_LENGTH}",
        "The length of the plaintext is told wherever it is known, and compared on reading.",
    ),
    Allowed(
        r"name '' 0 back",
        r"outcome",
        "oss2 fetches the list of the bucket under the empty name.",
    ),
    Allowed(
        r"name 'x+' 1024( back)?",
        _FAILURE,
        "A name that no object can have is refused before anything is sent.",
    ),
    Allowed(
        r"copy replaced|update",
        _FAILURE,
        "What would take an envelope away is refused before anything is sent.",
    ),
    Allowed(
        r"range \(\d+, (\d+|None)\)",
        r"returned\.(content_length|content_range|headers\.content-(length|range))",
        "Lengths and ranges are those of the plaintext that comes, not of what was fetched.",
    ),
    Allowed(
        r"range \(\d+, (\d+|None)\) file",
        r"outcome",
        "A range that does not begin with a block goes to a file, too.",
    ),
    Allowed(
        r"range \((1000, 2000|16, 5000)\).*",
        r"returned(\.status)?",
        "An end behind the end is cut, as in HTTP; oss2 gets the whole object for it.",
    ),
    Allowed(
        r"range \((1024, None|200[01], 3000)\).*",
        rf"outcome|returned|{_FAILURE}",
        "A start behind the end is an error, as in HTTP; oss2 gets the whole object for it.",
    ),
    Allowed(
        r"range \(None, 0\).*",
        r"outcome",
        "A suffix is refused whatever its length; oss2 gets the whole object for an empty one.",
    ),
    Allowed(
        r"range \(0, \d+\) url",
        r"outcome",
        "A range of a signed URL may begin at 0.",
    ),
    Allowed(
        r"range \(100, 50\).*",
        r"outcome",
        "A range that is none is refused; oss2 gets the whole object.",
    ),
    Allowed(
        r"parts.*",
        r"returned\.parts\[\d\]\.part_crc",
        "The CRC-64 of parts is told where the service tells it.",
    ),
    Allowed(
        r"(complete wrong|complete again|abort done|abort none)",
        _FAILURE,
        "oss2 raises TypeError while it handles what the service said.",
    ),
    Allowed(
        r"part without context",
        r"outcome",
        "The bucket knows the contexts of the uploads that it began.",
    ),
    Allowed(
        r"up/odd( progress| back)?|stored up/odd 6",
        r"outcome|returned(\[\d\])?",
        "A part size that encryption cannot have is rounded.",
    ),
    Allowed(
        r"kms( passphrase)? reads kms( passphrase)?",
        _FAILURE,
        "Why a key does not open something is not told.",
    ),
    Allowed(
        r"AuthV2 (put|get|url)|stored AuthV2 6",
        r"outcome",
        "Version 2 signs as version 1 here; the local endpoint does not know version 2.",
    ),
    Allowed(
        r"sized",
        r"returned\[2\]",
        "At the end of a file of bytes there are no bytes, where oss2 returns text.",
    ),
]
