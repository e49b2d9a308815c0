"""``cipherbucket verify`` where rules of ``cipherbucket.toml`` hold: each object by its own."""

from datetime import timedelta
from pathlib import Path

import pytest
from tests.cli.runs import invoke, succeed

import cipherbucket as cb


def test_a_whole_store_is_verified_each_object_by_its_own_rule(ruled_folder: Path) -> None:
    for name in ("a", "vault/a", "sealed/a", "other/a", "others"):
        succeed("cp", "-", f"records://{name}", stdin=b"1")
    told = succeed("verify", "-r", "records://")
    assert (told.stdout, told.stderr) == ("5 objects verified, 638 bytes stored\n", "")
    unbound = cb.Policy(["sealed"], unbound_names=True)
    with cb.load_config().open("records/vault/", policy=unbound) as bucket:
        bucket.put("vault/unbound", b"1", bind_name=False)
    with cb.open_store(f"file://{ruled_folder}/records") as store:
        store.copy("a", "sealed/replaced")  # an object of another format in a sealed one's place
        store.put("sealed/stripped", b"plain")
    # A key of the file that reads elsewhere, and not there.
    cb.open_bucket(f"file://{ruled_folder}/records", cb.load_key("sdk.pem")).put("other/sdk", b"1")
    result = invoke("verify", "-r", "records://")
    assert result.exit_code == 1
    failed = [line.split(": ")[1].strip("'") for line in result.stderr.splitlines()]
    assert failed == ["other/sdk", "sealed/replaced", "sealed/stripped", "vault/unbound"]
    for name in failed:
        assert invoke("cat", f"records://{name}").exit_code != 0
        assert invoke("verify", f"records://{name}").exit_code != 0
    lax = invoke(
        "verify", "-r", "--accept", "oss", "--plaintext", "-k", "mine", "records://sealed/"
    )
    assert lax.exit_code == 0, lax.output


def test_what_was_verified_by_another_rule_is_verified_anew(
    ruled_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cipherbucket.bulk.ledger._MOMENT", timedelta(0))
    for name in ("a", "other/a"):
        succeed("cp", "-", f"records://{name}", stdin=b"1")
    with cb.open_store(f"file://{ruled_folder}/records") as store:
        store.put("b", b"plain")
    assert invoke("verify", "-r", "records://").exit_code == 1
    again = invoke("verify", "-r", "records://")
    assert "2 objects of these were read by an earlier run" in again.stdout
    rules = Path("cipherbucket.toml")
    rules.write_text(rules.read_text().replace('["old"]', '["old"]\nmin_rsa_bits = 3072'))
    cb.load_config(rules).trust()
    result = invoke("verify", "-r", "records://")
    assert "earlier run" not in result.stdout
    assert "'other/a': the data key is wrapped with RSA-2048" in result.stderr
