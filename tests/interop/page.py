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
from tests.interop.run import Run
from tests.interop.toolchains import HERE

PAGE = HERE.parent.parent / "docs" / "interop.md"

_HEAD = """\
# Who reads whom

Written by `make interop`, which runs the official SDKs against the local endpoint of this project:
each of them a small program (`tests/interop`) over the SDK as its own registry has it. Change this
page with `CIPHERBUCKET_WRITE_DOCS=1 make interop`; without it the run fails where the page differs
from what came of it.

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

_TAIL = """\
## Not run

- **C++** (`alibabacloud/aliyun-oss-cpp-sdk`) is in no registry. Objects it wrote are in
  `tests/vectors`; every one of them is read in `make test`, and what we write for the same key,
  plaintext and description is compared with them field by field (`tests/interop/test_cpp_form.py`):
  the same names, the same syntax, the same description text. The one difference is that we also
  record `unencrypted-content-length`, which the Java SDK does too.
- **Java 2** (`com.aliyun:alibabacloud-oss-v2`) is published, and 0.4.0 is the only release that
  Maven Central offers; it has classes for encryption, but no client that uses them.
- **PHP** is not run.

## Programs of the documents

The programs that Alibaba Cloud prints for RSA keys run here as they stand, but for what is listed
beside them: three Go programs of one page and one of another (`tests/interop/go/seeds`), the Java
program (`tests/interop/java/seeds`). We read what they wrote; the Go program with
`SetMasterCipherManager` reads an object that we wrote under the other key, and the SDKs read one
that we wrote under the programs' key and description.

## Keys in a KMS

oss2, Go 1 and Java 1 (3.18.4, as 3.18.5 came without the classes) with their key in a KMS run
against the [KMS endpoint](kms.md), in put, multipart and ranges, as does the Go program that is
printed for such a key. We read all of them, and all of them read us, oss2 what was written for it;
oss2 on one side, Go and Java on the other do not read each other ([format.md](format.md)).
"""


def render(run: Run) -> str:
    """Return the page as this run found it."""
    parts = [_HEAD.format(signatures=_signatures()), _sdks()]
    for group, text in GROUPS.items():
        cases = [case for case in CASES if case.group == group]
        title = group[0].upper() + group[1:]
        parts.append(f"## {title}\n\n{_wrapped(text)}\n\n{_table(run, cases)}")
    parts += [_reasons(), _TAIL]
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
    return _markdown(["here", "package", "version"], rows)


def _pinned(go_mod: str, module: str) -> str:
    found = re.search(rf"/{module} v([0-9.]+)", go_mod)
    assert found
    return found[1]


def _table(run: Run, cases: Sequence[Case]) -> str:
    rows = [
        [writer, *(_cell(run, writer, reader, cases) for reader in READERS)] for writer in WRITERS
    ]
    return _markdown(["writer", *READERS], rows)


def _cell(run: Run, writer: str, reader: str, cases: Sequence[Case]) -> str:
    failed = [case for case in cases if run.outcome(writer, reader, case) != OK]
    found = {limitation(writer, reader, case) for case in failed}
    marks = sorted(entry.mark if entry else "?" for entry in found)
    good = len(cases) - len(failed)
    return " ".join([f"{good}/{len(cases)}", *marks])


def _reasons() -> str:
    lines = [
        _wrapped(f"- **{entry.mark}** ({entry.outcome}) {entry.reason}", indent="  ")
        for entry in LIMITATIONS
    ]
    return "\n".join(["## What stands in the way", "", *lines, "", _EXACT])


def _wrapped(text: str, indent: str = "") -> str:
    return textwrap.fill(text, 100, subsequent_indent=indent, break_on_hyphens=False)


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
