"""``recipients`` and ``repair -r``: who opens sealed objects, one or many."""

import json
from pathlib import Path

import pytest
from click.testing import Result
from tests.cli.runs import error_of, invoke, on_terminal, succeed

import cipherbucket as cb


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("keys")
    for name in ("owner", "partner"):
        cb.create_aes_key_file(folder / name, description={"desc": name})
    return {name: folder / name for name in ("owner", "partner")}


@pytest.fixture
def filled(url: str, bucket: cb.Bucket, keys: dict[str, Path]) -> str:
    with cb.open_bucket(url, cb.load_key(keys["owner"])) as sealed:
        for name in ("s/1", "s/2", "t"):
            sealed.put(name, name.encode())
    bucket.put("s/old", b"oss")
    with cb.open_store(url) as store:
        store.put("s/plain", b"plain")
    return url


def listed(*args: object) -> dict[str, list[str]]:
    lines = succeed("recipients", "list", "--json", *args).stdout.splitlines()
    facts = [json.loads(line) for line in lines]
    return {
        each["name"]: [recipient["description"]["desc"] for recipient in each["recipients"]]
        for each in facts
    }


def run(*args: object, code: int = 0) -> Result:
    result = invoke("recipients", *args)
    assert result.exit_code == code, result.output
    return result


def test_recipients_are_listed_without_a_key(filled: str) -> None:
    assert run("list", f"{filled}/s/1").stdout.splitlines() == [
        "s/1",
        '  {"desc":"owner"}, AES-256-KWP',
    ]
    assert run("list", f"{filled}/s/plain").stdout.splitlines() == ["s/plain", "  not encrypted"]
    assert listed("-r", f"{filled}/s") == {
        "s/1": ["owner"],
        "s/2": ["owner"],
        "s/old": ["mine"],
        "s/plain": [],
    }
    run("list", f"{filled}/none", code=3)
    run("list", "-r", f"{filled}/none", code=3)


def test_an_envelope_that_cannot_be_understood_is_told(filled: str) -> None:
    with cb.open_store(filled) as store:
        store.put("s/bad", b"x" * 90, metadata={"cipherbucket-seal": "!"})
    result = run("list", "-r", filled, code=1)
    assert "s/bad" in error_of(result)
    assert "s/1" in result.stdout


def test_one_is_added_and_removed(filled: str, keys: dict[str, Path]) -> None:
    own = ("-k", keys["owner"])
    partner = ("--recipient", keys["partner"])
    dry = run("add", "-n", *own, *partner, f"{filled}/s/1")
    assert dry.stdout == "to be added to s/1\n"
    assert listed(f"{filled}/s/1") == {"s/1": ["owner"]}
    done = run("add", *own, *partner, f"{filled}/s/1")
    assert done.stdout == "added to s/1, which has 2 recipients now\n"
    assert listed(f"{filled}/s/1") == {"s/1": ["owner", "partner"]}
    assert succeed("cat", "-k", keys["partner"], f"{filled}/s/1").stdout == "s/1"
    run("remove", *own, "--recipient", "desc=partner", f"{filled}/s/1")
    assert listed(f"{filled}/s/1") == {"s/1": ["owner"]}
    refused = run("remove", *own, "--recipient", "desc=partner", f"{filled}/s/1", code=4)
    assert "cipherbucket recipients list URL" in error_of(refused)
    assert "only recipient" in error_of(
        run("remove", *own, "--recipient", keys["owner"], f"{filled}/s/1", code=2)
    )


def test_all_below_a_folder(filled: str, keys: dict[str, Path]) -> None:
    args = ("-r", "-k", keys["owner"], "--recipient", keys["partner"], f"{filled}/s")
    dry = run("add", "-n", *args).stdout.splitlines()
    assert dry[0].startswith("to be added to           2 objects  ")
    assert dry[1] == "left as they are         2 objects  not sealed"
    assert listed(f"{filled}/s/1") == {"s/1": ["owner"]}
    lines = [json.loads(line) for line in run("add", "--json", *args).stdout.splitlines()]
    assert [(each["name"], each["status"]) for each in lines[:-1]] == [
        ("s/1", "done"),
        ("s/2", "done"),
        ("s/old", "skipped"),
        ("s/plain", "skipped"),
    ]
    assert (lines[-1]["type"], lines[-1]["counts"]["done"]["objects"]) == ("recipients-add", 2)
    assert listed("-r", filled)["s/2"] == ["owner", "partner"]
    assert listed("-r", filled)["t"] == ["owner"]
    removed = run("remove", "-nv", *args)
    assert removed.stdout.startswith("to be removed from       2 objects  ")
    removed = run("remove", "-v", *args)
    assert "removed from s/1" in removed.stderr
    assert "skipped s/plain (not sealed)" in removed.stderr
    assert listed("-r", filled)["s/2"] == ["owner"]


def test_what_fails_is_told(filled: str, keys: dict[str, Path]) -> None:
    args = ("--recipient", keys["partner"], "-r", f"{filled}/s")
    result = run("add", "-k", keys["partner"], *args, code=1)  # it opens none of them
    assert "'s/1'" in result.stderr
    assert run("add", "-n", "-k", keys["partner"], *args, code=1).stderr == result.stderr
    assert "-k KEY" in error_of(run("add", *args, code=4))
    empty = ("-k", keys["owner"], "--recipient", keys["partner"], "-r", f"{filled}/none")
    run("add", *empty, code=3)
    assert "--json" in error_of(
        run("add", "--json", "-k", keys["owner"], *args[:2], f"{filled}/t", code=2)
    )


def strip(url: str, *names: str) -> None:
    with cb.open_store(url) as store:
        for name in names:
            store.replace_metadata(name, metadata={}, headers=None)


def test_repair_of_all_below_a_folder(filled: str, keys: dict[str, Path]) -> None:
    strip(filled, "s/1", "t")
    args = ("repair", "-r", "-k", keys["owner"], f"{filled}/s")
    dry = succeed(*args, "-n").stdout.splitlines()
    assert dry[0].split()[:4] == ["to", "be", "repaired", "1"]
    refused = invoke(*args)
    assert refused.exit_code == 2
    assert "not repairing 1 object below" in error_of(refused)
    done = succeed(*args, "--yes").stdout.splitlines()
    assert done[0].split()[:3] == ["repaired", "1", "object"]
    assert succeed("cat", "-k", keys["owner"], f"{filled}/s/1").stdout == "s/1"
    assert invoke("cat", "-k", keys["owner"], f"{filled}/t").exit_code == 5
    assert succeed(*args).stdout.splitlines()[0].split()[:2] == ["repaired", "0"]


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1)])
def test_repair_asks_once(answer: str, code: int, filled: str, keys: dict[str, Path]) -> None:
    strip(filled, "s/1", "s/2")
    session = on_terminal(
        "repair", "-r", "-k", keys["owner"], filled, answers=[("and no others?", answer)]
    )
    assert session.code == code, session.screen
    assert "to be repaired: s/1" in session.screen
    for name in ("s/1", "s/2"):
        read = invoke("cat", "-k", keys["owner"], f"{filled}/{name}")
        assert read.exit_code == (0 if code == 0 else 5)


def test_a_dry_run_of_one_shows_whom_it_would_open_for(filled: str, keys: dict[str, Path]) -> None:
    strip(filled, "t")
    shown = succeed("repair", "-n", "-k", keys["owner"], f"{filled}/t").stdout
    assert "was sealed for 1 recipient" in shown
    assert invoke("cat", "-k", keys["owner"], f"{filled}/t").exit_code == 5
    refused = invoke("repair", "--index", "-r", filled)
    assert "--index is for a whole store" in error_of(refused)
