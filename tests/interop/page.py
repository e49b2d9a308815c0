"""docs/interop.md, made from a run: what was tried, what came of it, why not where not.

Strategy: nothing in it depends on time, order or machine, so that two runs with the same outcomes
give the same text and the page can be compared with the one that is committed.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from importlib.metadata import version

from tests.interop.limitations import LIMITATIONS, OK, limitation
from tests.interop.matrix import CASES, GROUPS, READERS, V1_WRITERS, WRITERS, Case
from tests.interop.recorded import OBSTACLES, Read, obstacle, reads
from tests.interop.recorded import WRITERS as WRITTEN_BY
from tests.interop.run import Run
from tests.interop.toolchains import HERE

PAGE = HERE.parent.parent / "docs" / "interop.md"

STORES = "## What stores do\n"
"""Where the part begins that `test_stores_table` writes."""
_HEAD = """\
# Who reads whom

This page says which SDK reads what another wrote. `make interop` runs the SDKs against the local
endpoint of this project and writes the page: `CIPHERBUCKET_WRITE_DOCS=1 make interop`. Without that
variable the run fails where the page differs from what came of it.

The table names every official SDK that has a client for encryption. Four of them do not run here:
what the last column says is why. Objects that they wrote were recorded, or made after their source;
they are in `tests/vectors`.

Two readers give wrong bytes without an error. Java 1 does so for a range of an object that C++ 2
wrote (letter j), and Go 1 for an old version of an object (letter d). Read such objects with
another SDK, or with this project.

A cell says in how many of its cases the reader (column) got exactly the plaintext that the writer
(row) was given. A letter names what stood in the way of the others; each of them is the peer's own.
Keys are RSA-2048, made for each run. {signatures}
"""

_EXACT = """\
Where **c** or **e** stands in the row of cipherbucket, give the key its description as the exact
text that the reader writes, such as `description='{"desc": "key-2"}'` for alibabacloud-oss-v2. We
match descriptions as mappings, so nothing else changes, and every such cell works: the same run
tries it.
"""

_RECORDED = """\
## Recorded objects

What the SDKs that do not run here wrote, read by those that do, under the key and description that
the writer was given: all of it whole, and bytes 17 to 100 where there are so many. `make test` has
cipherbucket read each of them by ranges of every kind. `tests/interop/test_recorded_forms.py` has
it write the same plaintext under the same key and description, and compares field by field: the
same names, the same syntax and, but for what is said below of further keys, the same description.
We record `unencrypted-content-length` of objects put at once, as Java does; C++ and PHP do not.
"""

_NOT_RUN = """\
## What the others do with our objects

From the sources of these versions, not from a run: each reads all that we write for its first key,
put at once or in parts.

- **C++ 2** has one key and does not look at descriptions.
- **Java 2** does not look at them either: it tries its key, then those of `addKeyPair`, until one
  unwraps. As C++ 2, it refuses a range of the last so many bytes.
- **PHP 2** takes its first key where the text of no further key's description is the same. Our text
  is its own unless it has a `/`, or PHP was given the entries in another order than the sorted one.
  Then give the key its description as the exact text, as above.
- All three come with RSA alone; for a KMS a program brings a `MasterCipher` of its own.
"""

_TAIL = """\
## Programs of the documents

The programs that Alibaba Cloud prints for RSA keys run here as they stand, but for what is listed
beside them: three Go programs of one page and one of another (`tests/interop/go/seeds`), the Java
program (`tests/interop/java/seeds`). We read what they wrote; the Go program with
`SetMasterCipherManager` reads an object that we wrote under the other key, and the SDKs read one
that we wrote under the programs' key and description.

## Keys in a KMS

oss2, Go 1, Go 2 and Java 1 (3.18.4, as 3.18.5 came without the classes) with their key in a KMS run
against the [KMS endpoint](kms.md), in put, multipart and ranges, as does the Go program that is
printed for such a key. Go 2 comes without a cipher for it, so that the driver brings one as its
samples have it. We read all of them, and all of them read us, oss2 what was written for it; oss2 on
one side, Go and Java on the other do not read each other ([format.md](format.md)).
"""


def render(run: Run) -> str:
    """Return the page as this run found it, up to `STORES`."""
    parts = [_HEAD.format(signatures=_signatures()), _sdks()]
    for group, text in GROUPS.items():
        cases = [case for case in CASES if case.group == group]
        title = group[0].upper() + group[1:]
        parts.append(f"## {title}\n\n{_wrapped(text)}\n\n{_table(run, cases)}")
    parts += [_RECORDED, _recorded(run), _reasons(), _NOT_RUN, _TAIL]
    return "\n".join(parts)


def _signatures() -> str:
    others = f" ({', '.join(sorted(V1_WRITERS))} with V1)" if V1_WRITERS else ""
    return f"Writers sign with OSS signature V4{others}, readers with V1."


def _sdks() -> str:
    go = (HERE / "go" / "go.mod").read_text("utf-8")
    pom = (HERE / "java" / "pom.xml").read_text("utf-8")
    java = re.search(r"<artifactId>aliyun-sdk-oss</artifactId>\s*<version>(.*?)</version>", pom)
    assert java
    rows = [
        ("oss2", "`oss2`", version("oss2")),
        ("oss-v2", "`alibabacloud-oss-v2` (Python)", version("alibabacloud-oss-v2")),
        ("Go 1", "`github.com/aliyun/aliyun-oss-go-sdk`", _pinned(go, "aliyun-oss-go-sdk")),
        (
            "Go 2",
            "`github.com/aliyun/alibabacloud-oss-go-sdk-v2`",
            _pinned(go, "alibabacloud-oss-go-sdk-v2"),
        ),
        ("Java 1", "`com.aliyun.oss:aliyun-sdk-oss`", java[1]),
    ]
    run = [(*row, "run here") for row in rows]
    return markdown(["here", "package", "version", "how"], run + _not_run())


def _not_run() -> list[tuple[str, str, str, str]]:
    packages = {
        "Java 2": (
            "`com.aliyun:alibabacloud-oss-v2`",
            "recorded; Maven Central has 0.4.0, without the client",
        ),
        "PHP 2": ("`alibabacloud/oss-v2`", "recorded; on Packagist alone"),
        "C++ 1": ("`aliyun/aliyun-oss-cpp-sdk`", "recorded; in no registry"),
        "C++ 2": (
            "`aliyun/alibabacloud-oss-cpp-sdk-v2`",
            "made after its source; in no registry",
        ),
    }
    return [
        (name, package, WRITTEN_BY[name].rpartition("-")[2], how)
        for name, (package, how) in packages.items()
    ]


def _pinned(go_mod: str, module: str) -> str:
    found = re.search(rf"/{module} v([0-9.]+)", go_mod)
    assert found
    return found[1]


def _table(run: Run, cases: Sequence[Case]) -> str:
    rows = [
        [writer, *(_cell(run, writer, reader, cases) for reader in READERS)] for writer in WRITERS
    ]
    return markdown(["writer", *READERS], rows)


def _cell(run: Run, writer: str, reader: str, cases: Sequence[Case]) -> str:
    failed = [case for case in cases if run.outcome(writer, reader, case) != OK]
    found = {limitation(writer, reader, case) for case in failed}
    return _count(len(cases), len(failed), {entry.mark if entry else "?" for entry in found})


def _recorded(run: Run) -> str:
    rows = [
        [writer, *(_recorded_cell(run, reader, reads(writer)) for reader in READERS)]
        for writer in WRITTEN_BY
    ]
    return markdown(["written by", *READERS], rows)


def _recorded_cell(run: Run, reader: str, cases: Sequence[Read]) -> str:
    failed = [read for read in cases if run.recordings.outcome(reader, read) != OK]
    found = {obstacle(reader, read) for read in failed}
    return _count(len(cases), len(failed), {entry.mark if entry else "?" for entry in found})


def _count(cases: int, failed: int, marks: set[str]) -> str:
    return " ".join([f"{cases - failed}/{cases}", *sorted(marks)])


def _reasons() -> str:
    reasons = [(entry.mark, entry.outcome, entry.reason) for entry in LIMITATIONS]
    reasons += [(entry.mark, entry.outcome, entry.reason) for entry in OBSTACLES if entry.reason]
    lines = [
        _wrapped(f"- **{mark}** ({outcome}) {reason}", indent="  ")
        for mark, outcome, reason in reasons
    ]
    return "\n".join(["## What stands in the way", "", *lines, "", _EXACT])


def _wrapped(text: str, indent: str = "") -> str:
    return textwrap.fill(text, 100, subsequent_indent=indent, break_on_hyphens=False)


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
