"""``diff``, ``recipients -r`` and ``repair -r`` over a folder with further rules below it."""

from pathlib import Path

import pytest
from tests.cli.runs import invoke, succeed

import cipherbucket as cb

NAMES = ("a", "vault/a", "vault/deep/b", "sealed/a", "other/a")


@pytest.fixture
def tree(ruled_folder: Path) -> Path:
    """Return a folder, which is what the store holds, each object under its own rule."""
    folder = ruled_folder / "tree"
    for name in NAMES:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"<{name}>")
        succeed("cp", path, f"records://{name}")
    return folder


@pytest.mark.parametrize("options", [(), ("--checksum",)])
def test_diff_compares_each_object_by_its_own_rule(tree: Path, options: tuple[str, ...]) -> None:
    same = succeed("diff", *options, tree, "records://")
    assert same.stdout == ""
    assert "compared 5 objects" in same.stderr
    (tree / "vault/a").write_text("<vault/A!>")
    result = invoke("diff", *options, "records://", tree)
    assert result.exit_code == 1
    assert result.stdout.startswith("differs: vault/a (")
    assert result.stdout.count("\n") == 1


def test_recipients_are_added_and_removed_by_the_rule_of_each(tree: Path) -> None:
    changed = succeed("recipients", "add", "-r", "--recipient", "old", "records://")
    assert "3 objects" in changed.stdout
    for name in ("vault/deep/b", "sealed/a"):
        with cb.open_store(f"file://{tree.parent}/records") as store:
            info = cb.Bucket(store, cb.KeyRing()).head(name)
        assert info.envelope is not None
        assert len(info.envelope.recipients) == 2
    changed = succeed("recipients", "remove", "-r", "--recipient", "old", "records://")
    assert "3 objects" in changed.stdout


def test_objects_are_repaired_by_the_rule_of_each(tree: Path) -> None:
    with cb.open_store(f"file://{tree.parent}/records") as store:
        for name in ("vault/a", "sealed/a"):
            store.replace_metadata(name, metadata={}, headers={})
    dry = succeed("repair", "-rn", "records://")
    assert "2 objects" in dry.stdout
    succeed("repair", "-r", "--yes", "records://")
    for name in ("vault/a", "sealed/a"):
        assert succeed("cat", f"records://{name}").stdout == f"<{name}>"
