"""A store that lies to the command line: each command fails or does what it is to do.

The lies are those of `lies_in_http` and `lies_in_xml`; the rule is that of `lied_to`.
"""

from __future__ import annotations

import re

import pytest
from tests.cli.runs import invoke
from tests.support.lied_to import Refused, Verb
from tests.support.lying_ground import Ground, Scene
from tests.support.lying_table import Table, lies, wrong_with

_FAILED = {1, 3, 5, 6, 7}
"""What may come of a lie: nobody used anything wrongly, and the keys are right."""
_CHANGING = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.]+Z?)?|[0-9A-Fa-f]{16,}|[0-9.:]+ (s|min|[KMG]iB/s)\b"
)

_NOT_SEEN = ("not known", "unknown", "not told", '"uploads": null')
"""What an audit says of what it could not look at."""
_RETRIED = re.compile("trying again in|going on at byte|sending part .* again")


def command(line: str, *unaware: str, key: bool = True, name: str = "", code: int = 0) -> Verb:
    """Return a run of the command line; an exit code that is neither 0 nor right is a refusal."""

    def run(scene: Scene) -> object:
        ground = scene.ground.folder
        words = line.format(
            out=scene.out,
            old=ground / "old.pem",
            new=ground / "new.pem",
        ).split()
        if key and "-k" not in words:
            words += ["-k", str(ground / "old.pem")]
        result = invoke(*words)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        said = result.stdout_bytes.decode("utf-8", "replace") + result.stderr
        assert "Traceback" not in said, said
        if result.exit_code not in {0, code}:
            assert result.exit_code in _FAILED, f"{result.exit_code}: {said}"
            assert said.strip(), "it failed and said nothing"
            raise Refused(f"exit {result.exit_code}: {said}")
        if any(word in said for word in _NOT_SEEN) or (code and "no findings" not in said):
            raise Refused(said)
        told = "".join(each for each in said.splitlines(keepends=True) if not _RETRIED.search(each))
        told = _CHANGING.sub("*", told.replace(str(scene.out), "OUT"))
        return re.sub(" +", " ", told)  # columns are as wide as what changes

    return Verb(name or line, run, frozenset(unaware))


VERBS = [
    command("ls oss://lied/", key=False),
    command("ls -lr oss://lied/o/", key=False),
    command("ls --json oss://lied/o/", key=False),
    command("cat oss://lied/o/2"),
    command("cat --range 10-20 oss://lied/o/2", "bytes"),
    command("cat --format sealed oss://lied/s/1"),
    command("stat oss://lied/o/1", "get_object"),
    command("stat --json --format sealed oss://lied/s/1", "get_object"),
    command("keys check oss://lied/o/1"),
    command("cp oss://lied/o/2 {out}/file"),
    command("cp oss://lied/o/2 {out}/got"),
    command("cp {out}/file oss://lied/o/new"),
    command("cp --format sealed {out}/file oss://lied/s/new"),
    command("cp --if-absent {out}/file oss://lied/o/new"),
    command("cp -r oss://lied/o/ {out}/got"),
    command("cp -r {out}/tree oss://lied/tree/"),
    command("cp oss://lied/o/1 oss://mirror/o/1", key=False),
    command("cp -r oss://lied/o/ oss://mirror/o/", key=False),
    command("cp oss://lied/o/1 oss://lied/o/copy", key=False),
    command("sync oss://lied/o/ {out}/tree"),
    command("sync --delete --max-delete 9 oss://lied/o/ {out}/tree"),
    command("sync --checksum oss://lied/o/ {out}/tree"),
    command("sync {out}/tree oss://lied/o/"),
    command("sync --delete --max-delete 9 {out}/tree oss://lied/o/"),
    command("sync --delete --max-delete 9 oss://lied/o/ oss://mirror/o/", key=False),
    command("rm oss://lied/o/1", key=False),
    command("rm -f oss://lied/o/1", key=False),
    command("rm -rf oss://lied/o/", key=False),
    command("verify oss://lied/o/2"),
    command("verify -r oss://lied/o/"),
    command("verify -r --format sealed oss://lied/s/"),
    command("audit oss://lied/o/", "list_object_versions"),
    command("audit --json oss://lied/o/", "list_object_versions"),
    command("audit --footers --retire desc=old oss://lied/s/", "list_object_versions", code=7),
    command("audit --versions oss://kept/v/"),
    command("rotate -k {new} -k {old} oss://lied/o/1"),
    command("rotate -r -k {new} -k {old} oss://lied/o/"),
    command("rotate -r --format sealed -k {new} -k {old} oss://lied/s/"),
    command("reencrypt oss://lied/o/1"),
    command("reencrypt -r oss://lied/o/"),
    command("reencrypt -r --kind plaintext oss://lied/p/"),
    command("repair -f oss://lied/s/1"),
    command("transfers oss://lied/u/", key=False),
    command("transfers --clear -f oss://lied/u/", key=False),
]


@pytest.fixture(scope="module")
def table(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> Table:
    return Table(ground, VERBS, tmp_path_factory.mktemp("commands"))


@pytest.mark.parametrize("lie", lies(1))
def test_a_lie_to_the_command_line_leads_nowhere(table: Table, lie: int) -> None:
    assert wrong_with(table, lie) == []
