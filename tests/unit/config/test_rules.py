"""Rules of ``cipherbucket.toml`` that nothing goes around: other verbs, other spellings."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.config_scenes import write_config

import cipherbucket as cb

RULES = """
[stores.records]
url = "file://{folder}/records"

[keys.mine]
rsa = "mine.pem"

[keys.vault]
aes = "vault.key"

[[rules]]
at = "records"
write = "mine"

[[rules]]
at = "records/ledger"
write = "vault"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    cb.create_rsa_key_file(tmp_path / "mine.pem", description={"desc": "same"}, bits=2048)
    cb.create_aes_key_file(tmp_path / "vault.key", description={"desc": "same"})
    cb.make_bucket(f"file://{tmp_path}/records")
    return tmp_path


def loaded(folder: Path, text: str = RULES) -> cb.Config:
    return cb.load_config(write_config(folder, text))


def test_nothing_is_written_anew_or_moved_where_another_rule_holds(folder: Path) -> None:
    config = loaded(folder)
    upper, lower = config.open("records"), config.open("records/ledger/")
    upper.put("a", b"1")
    lower.put("ledger/a", b"2")
    elsewhere = cb.open_bucket("memory://config-rules")
    before = lower.head("ledger/a").etag
    refusals: list[Callable[[], object]] = [
        lambda: cb.rotation.reencrypt(upper, "ledger/a", kinds=["sealed"]),
        lambda: cb.rotation.rewrap(upper, "ledger/a"),
        lambda: upper.copy_to(elsewhere, "ledger/a"),
        lambda: upper.copy_to(lower, "a"),
        lambda: upper.rename("ledger/a", "b"),
    ]
    for refused in refusals:
        with pytest.raises(cb.UsageError, match="the bucket was opened by rule"):
            refused()
    with cb.rotation.rewrap_all(upper, dry_run=True) as report:
        assert [each.name for each in report.failures()] == ["ledger/a"]
    with cb.rotation.reencrypt_all(upper, kinds=["oss", "sealed"]) as report:
        assert [each.name for each in report.failures()] == ["ledger/a"]
        assert report.done.objects == 1
    assert lower.head("ledger/a").etag == before
    assert lower.get("ledger/a").read() == b"2"
    assert list(elsewhere.list()) == []
    upper.copy_to(elsewhere, "a")
    assert elsewhere.exists("a")


def test_a_store_has_one_rule_however_its_folder_is_spelled(folder: Path) -> None:
    (folder / "link").symlink_to(folder / "records")
    config = loaded(folder)
    url = config.stores["records"].url
    for spelled in ("link", "./records", "../" + folder.name + "/records", "/records"):
        place = f"file://{folder}/{spelled}/ledger/x"
        assert config.split(place) == (url, "ledger/x")
        assert config.rule(place).at == "records/ledger"
        with config.open(place) as bucket:
            bucket.put("ledger/x", b"1")
            assert bucket.head("ledger/x").format == "sealed"
    # What is a part of a name stays one.
    assert config.split(f"{url}/ledger/../x") == (url, "ledger/../x")
    for at in (f"file://{folder}/link/ledger", f"file://{folder}/records/ledger"):
        config = loaded(folder, RULES.replace("records/ledger", at))
        assert config.rule("records/ledger/x").at == at
        config = loaded(folder, RULES.replace("{folder}/records", "{folder}/link"))
        assert config.rule(f"file://{folder}/records/ledger/x").at == "records/ledger"
    unnamed = RULES[RULES.index("[keys.mine]") :].replace('"records', f'"file://{folder}/link')
    config = loaded(folder, unnamed)
    for spelled in ("link", "records"):
        rule = config.rule(f"file://{folder}/{spelled}/ledger/x")
        assert rule.at == f"file://{folder}/link/ledger"


def test_one_folder_is_one_store(folder: Path) -> None:
    (folder / "link").symlink_to(folder / "records")
    twice = RULES + '[stores.again]\nurl = "file://{folder}/link"\n'
    with pytest.raises(cb.UsageError, match=r"\[stores\.again\] url: it is that of store records"):
        loaded(folder, twice)


def test_a_key_of_another_kind_is_not_read_for_its_description(folder: Path) -> None:
    config = loaded(folder, RULES + 'read = ["mine"]\naccept = ["oss"]\n')
    with config.open("records/ledger/") as bucket:
        bucket.put("ledger/a", b"1")
    (folder / "mine.pem").write_text("broken")
    every = loaded(folder, RULES[: RULES.index("[[rules]]")]).open("records", format="sealed")
    assert every.get("ledger/a").read() == b"1"


def test_who_lacks_what_the_writing_key_takes_can_still_ask_for_the_keys(folder: Path) -> None:
    (folder / "vault.key").write_text("broken")
    ring = loaded(folder).open("records/ledger/").ring
    assert ring.keys == ()
    with pytest.raises(cb.MasterKeyError, match=r"\.toml:8: \[keys\.vault\]: "):
        ring.writer("sealed")


def test_a_key_gets_no_objects_of_a_format_that_it_is_not_for(folder: Path) -> None:
    text = RULES.replace('"mine.pem"\n', '"mine.pem"\nformats = ["oss"]\n')
    text += '[[rules]]\nat = "records/both"\nwrite = "mine"\naccept = ["sealed"]\n'
    config = loaded(folder, text)
    vault = config.key("vault")
    with cb.open_bucket(config.stores["records"].url, vault, format="sealed") as bucket:
        bucket.put("both/a", b"1")
    with config.open("records/both/") as bucket:
        with pytest.raises(cb.MasterKeyError, match="is not for format sealed"):
            cb.rotation.rewrap(bucket, "both/a")
        with cb.rotation.rewrap_all(bucket, "both/") as report:
            assert report.failed.objects == 1
        assert bucket.get("both/a").read() == b"1"


def test_an_error_names_the_key_that_lost_its_description(folder: Path) -> None:
    config = loaded(folder, RULES[: RULES.index("[[rules]]")] + '[[rules]]\nat = "records"\n')
    url = config.stores["records"].url
    cb.open_bucket(url, config.key("mine")).put("a", b"1")
    (folder / "mine.pem.json").write_text("{")
    with pytest.raises(cb.NoMatchingKeyError, match=r"mine \(what lies beside .*mine\.pem cannot"):
        config.open("records").get("a")
    (folder / "mine.pem").unlink()
    with pytest.raises(cb.NoMatchingKeyError, match=r"mine \(not here\)"):
        config.open("records").get("a")


def test_a_pipe_in_the_place_of_a_key_keeps_nobody_waiting(folder: Path) -> None:
    (folder / "mine.pem").unlink()
    os.mkfifo(folder / "mine.pem", 0o600)
    with pytest.raises(cb.MasterKeyError, match=r"\.toml:6: .* rsa: .* no regular file"):
        loaded(folder).key("mine")
