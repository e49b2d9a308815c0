"""What the rules of ``cipherbucket.toml`` keep a command line from, and what they let through."""

import json
import shutil
from pathlib import Path

import pytest
from tests.cli.runs import contents, error_of, invoke, succeed
from tests.support.config_scenes import make_weak_key

import cipherbucket as cb


def written_as(url: str) -> tuple[str, list[str]]:
    store_url, name = cb.load_config().split(url)
    info = cb.open_bucket(store_url).head(name)
    assert info.envelope is not None
    assert info.format is not None
    return info.format, [each.description["desc"] for each in info.envelope.recipients]


@pytest.mark.each_value
@pytest.mark.parametrize("key", ["old", "old.pem", "./old.pem", "old.pem.pub", "copy.pem"])
@pytest.mark.parametrize(
    "args",
    [
        ("cp", "-", "records://b"),
        ("cp", "records://sealed/a", "records://sealed/b"),
        ("cp", "records://sealed/a", "copies://b"),
        ("cp", "-r", "records://sealed/", "copies://b/"),
        ("rotate", "records://sealed/a"),
        ("reencrypt", "-r", "records://sealed/"),
    ],
)
def test_a_key_that_is_read_only_writes_nothing(
    ruled_folder: Path, args: tuple[str, ...], key: str
) -> None:
    succeed("cp", "-", "records://sealed/a", stdin=b"1")
    shutil.copy(ruled_folder / "old.pem", ruled_folder / "copy.pem")
    result = invoke(args[0], "-k", key, "-k", "mine", *args[1:], stdin=b"1")
    assert result.exit_code in {1, 4}
    assert "key old of " in result.stderr
    assert "is read_only (name another first)" in result.stderr
    assert written_as("records://sealed/a")[1] == ["mine"]
    for url in ("records://b", "records://sealed/b", "copies://b"):
        assert invoke("stat", url).exit_code == 3


def test_a_key_is_no_recipient_of_a_format_that_it_is_not_for(ruled_folder: Path) -> None:
    result = invoke("cp", "--recipient", "sdk", "-", "records://sealed/a", stdin=b"1")
    assert result.exit_code == 4
    assert "key sdk of " in error_of(result)
    assert "is not for format sealed (it is for oss)" in result.stderr
    listed = {
        each["name"]: each["writes"]
        for each in map(json.loads, succeed("keys", "--json").stdout.splitlines())
    }
    assert listed == {"mine": ["oss", "sealed"], "old": [], "vault": ["sealed"], "sdk": ["oss"]}


def test_rules_of_one_store_that_only_read_otherwise_are_no_obstacle_to_a_copy(
    ruled_folder: Path,
) -> None:
    succeed("cp", "-", "records://a", stdin=b"1")
    succeed("cp", "records://a", "records://other/a")
    assert succeed("cat", "records://other/a").stdout == "1"
    assert written_as("records://other/a") == ("oss", ["mine"])


def test_a_folder_that_is_not_there_is_not_made_a_store(ruled_folder: Path) -> None:
    for args in (("ls", "gone://"), ("cp", "-", "gone://a"), ("rm", "gone://a")):
        result = invoke(*args, stdin=b"1")
        assert result.exit_code == 2
        assert "no directory store at or above" in error_of(result)
    assert not (ruled_folder / "gone").exists()


def test_another_way_to_a_store_is_not_one_around_its_rules(ruled_folder: Path) -> None:
    (ruled_folder / "link").symlink_to(ruled_folder / "records")
    succeed("cp", "-k", "mine", "-", f"file://{ruled_folder}/link/sealed/a", stdin=b"1")
    assert written_as("records://sealed/a") == ("sealed", ["mine"])
    with cb.open_store(f"file://{ruled_folder}/records") as store:
        store.put("sealed/x", b"plain")
    succeed("cp", "-", "records://x", stdin=b"1")
    with cb.open_store(f"file://{ruled_folder}/records") as store:
        store.copy("x", "sealed/x")
    result = invoke("cat", f"file://{ruled_folder}/./records/sealed/x")
    assert result.exit_code == 5
    assert "the object has format oss, this bucket accepts sealed" in error_of(result)


def test_a_named_format_is_read_with_its_keys(ruled_folder: Path) -> None:
    unbound = cb.Policy(["sealed"], unbound_names=True)
    with cb.load_config().open("records/vault/", policy=unbound) as bucket:
        bucket.put("vault/a", b"1", bind_name=False)
    with cb.open_store(f"file://{ruled_folder}/records") as store:
        store.copy("vault/a", "a")
    assert invoke("cat", "records://a").exit_code == 5
    accepting = ("--accept", "unbound")
    assert succeed("cat", "--accept", "sealed", *accepting, "records://a").stdout == "1"
    assert succeed("cat", "--format", "sealed", *accepting, "records://a").stdout == "1"


def test_what_is_verified_of_a_format_is_verified_by_its_rule(ruled_folder: Path) -> None:
    succeed("cp", "-", "records://vault/a", stdin=b"1")
    assert "verified" in succeed("verify", "--format", "sealed", "records://vault/a").stdout
    succeed("verify", "-r", "--format", "sealed", "records://vault/")
    unbound = cb.Policy(["sealed"], unbound_names=True)
    with cb.load_config().open("records/vault/", policy=unbound) as bucket:
        bucket.put("vault/b", b"1", bind_name=False)
    assert invoke("verify", "--format", "sealed", "records://vault/b").exit_code == 5
    assert invoke("verify", "-r", "--format", "sealed", "records://vault/").exit_code == 1


def test_a_weak_key_of_a_rule_writes_if_that_is_said(ruled_folder: Path) -> None:
    for suffix in ("", ".pub", ".json"):
        (ruled_folder / f"mine.pem{suffix}").unlink()
    make_weak_key(ruled_folder / "mine.pem")
    refused = invoke("cp", "-", "records://a", stdin=b"1")
    assert refused.exit_code == 4
    assert "--allow-weak-key" in refused.stderr
    succeed("cp", "--allow-weak-key", "-", "records://a", stdin=b"1")
    assert succeed("cat", "records://a").stdout == "1"


def test_what_the_target_would_not_read_is_not_copied_as_it_is(ruled_folder: Path) -> None:
    with Path("cipherbucket.toml").open("a") as file:
        file.write('[[rules]]\nat = "records/mixed"\nwrite = "mine"\nformat = "sealed"\n')
        file.write('accept = ["oss"]\nplaintext = true\n')
    cb.load_config("cipherbucket.toml").trust()
    with cb.open_store(f"file://{ruled_folder}/records") as store:
        store.put("mixed/plain", b"2")
    cb.open_bucket(f"file://{ruled_folder}/records", cb.load_key("mine.pem")).put("mixed/oss", b"1")
    succeed("cp", "-r", "records://mixed/", "copies://")
    for name, data in (("oss", "1"), ("plain", "2")):
        assert written_as(f"copies://{name}") == ("sealed", ["mine"])
        assert succeed("cat", f"copies://{name}").stdout == data


def test_a_tree_is_copied_unless_another_rule_holds_for_a_name(
    ruled_folder: Path,
) -> None:
    tree = ruled_folder / "tree"
    for name in ("a", "sub/b", "sealedish/c"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(name)
    succeed("cp", "-r", tree, "records://")
    assert written_as("records://sub/b") == ("oss", ["mine"])

    (tree / "sealed").mkdir()
    (tree / "sealed" / "d").write_text("d")
    for args in (("cp", "-r", "-n"), ("cp", "-r"), ("sync", "-n"), ("sync",)):
        result = invoke(*args, tree, "records://")
        assert result.exit_code == 1
        assert result.stderr.count("holds for it") == 1
        assert "'sealed/d': " in result.stderr
        assert "rule 'records/sealed' (line " in result.stderr
    assert invoke("stat", "records://sealed/d").exit_code == 3
    succeed("cp", "-r", tree / "sealed", "records://sealed/")
    assert written_as("records://sealed/d") == ("sealed", ["mine"])
    # What deletes goes by all names: nothing begins where a rule differs.
    strict = invoke("sync", "--delete", tree, "records://")
    assert strict.exit_code == 2
    assert "other rules hold for a part of" in error_of(strict)


def test_a_tree_comes_down_unless_another_rule_holds_for_a_name(ruled_folder: Path) -> None:
    for name in ("a", "sub/b"):
        succeed("cp", "-", f"records://{name}", stdin=b"1")
    succeed("cp", "-r", "records://", ruled_folder / "down")
    assert contents(ruled_folder / "down") == {"a": b"1", "sub/b": b"1"}
    succeed("cp", "-r", "records://", "copies://")
    succeed("cp", "-", "records://vault/c", stdin=b"1")
    down, between = (
        invoke("cp", "-r", "records://", target) for target in ("again", "copies://again/")
    )
    for result in (down, between):
        assert result.exit_code == 1
        assert "'vault/c': " in result.stderr
        assert "copied 2 objects" in result.stderr
    assert contents(ruled_folder / "again") == {"a": b"1", "sub/b": b"1"}
    moved = invoke("mv", "-r", "records://", "copies://moved/")
    assert moved.exit_code == 1
    listed = succeed("ls", "-r", "records://").stdout
    assert "vault/c" in listed
    assert "sub/b" not in listed


@pytest.mark.parametrize("command", ["rotate", "reencrypt"])
def test_a_store_is_rotated_each_object_by_its_own_rule(ruled_folder: Path, command: str) -> None:
    names = {"a": "oss", "other/b": "oss", "sealed/c": "sealed", "vault/d": "sealed"}
    for name in names:
        succeed("cp", "-", f"records://{name}", stdin=b"1")
    cb.create_rsa_key_file("next.pem", description={"desc": "next"}, bits=2048)
    rules = Path("cipherbucket.toml")
    text = rules.read_text().replace("[[rules]]", '[keys.next]\nrsa = "next.pem"\n\n[[rules]]', 1)
    text = text.replace('write = "mine"', 'write = "next"')
    rules.write_text(text.replace('read = ["old"]', 'read = ["old", "mine"]'))
    cb.load_config(rules).trust()
    planned = succeed(command, "-rn", "records://")
    done = ["rotated", "3"] if command == "rotate" else ["reencrypted", "4"]
    assert planned.stdout.splitlines()[0].split()[:4] == ["to", "be", *done]
    succeed(command, "-r", "records://")
    for name, format_ in names.items():
        key = "vault" if name.startswith("vault/") else "next"
        assert written_as(f"records://{name}") == (format_, [key])
        assert succeed("cat", f"records://{name}").stdout == "1"


def test_a_rule_that_names_no_key_that_writes_fails_its_objects_alone(ruled_folder: Path) -> None:
    for name in ("a", "frozen/b"):
        succeed("cp", "-", f"records://{name}", stdin=b"1")
    with Path("cipherbucket.toml").open("a") as file:
        file.write('[[rules]]\nat = "records/frozen"\nread = ["mine"]\n')
    cb.load_config("cipherbucket.toml").trust()
    planned, came = (invoke("reencrypt", each, "records://") for each in ("-rn", "-r"))
    assert planned.exit_code == came.exit_code == 1
    assert planned.stderr == came.stderr
    assert "'frozen/b': " in came.stderr
    assert "no rule says which key writes here" in came.stderr


def test_no_key_writes_above_the_rules_that_are_rotated(ruled_folder: Path) -> None:
    rules = Path("cipherbucket.toml")
    text = rules.read_text().replace('at = "records"\n', 'at = "records/first"\n')
    rules.write_text(text)
    cb.load_config(rules).trust()
    succeed("cp", "-", "records://sealed/a", stdin=b"1")
    assert "1 object" in succeed("reencrypt", "-r", "records://").stdout
    with cb.open_bucket(f"file://{ruled_folder}/records", cb.load_key("mine.pem")) as bucket:
        bucket.put("b", b"2")
    planned, came = (invoke("reencrypt", each, "records://") for each in ("-rn", "-r"))
    assert planned.exit_code == came.exit_code == 1
    assert "'b': " in came.stderr
    assert planned.stderr == came.stderr
