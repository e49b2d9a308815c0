"""What docs/rotation.md says is run: its commands, and its programs in the order of the page."""

import sys
from pathlib import Path

import pytest
from tests.support.documents import ROOT, blocks, run

import cipherbucket as cb

PAGE = ROOT / "docs" / "rotation.md"
GIVEN = """
import sys
url = sys.argv[1]
"""


def prepared(folder: Path) -> cb.RsaKey:
    key = cb.create_rsa_key_file(folder / "old.pem", description={"desc": "2025"})
    with cb.open_bucket(f"file://{folder}/store", key) as bucket:
        for prefix in ("reports", "leaked"):
            for number in range(3):
                bucket.put(f"{prefix}/{number}", b"of 2025")
    with cb.open_store(f"file://{folder}/store") as store:
        for number in range(1, 4):
            store.put(f"invoices/{number:04}.txt", b"plain")
    return key


def test_every_command_of_the_page_works(tmp_path: Path) -> None:
    prepared(tmp_path)
    rotation, leak, _, _, plaintext = blocks(PAGE, "sh")
    output = run(rotation, tmp_path)
    assert "to be rotated" in output
    assert "yes" in output
    output = run(leak, tmp_path)
    assert output.startswith("reencrypted")
    assert "3 objects" in output
    output = run(plaintext, tmp_path)
    assert "3 objects" in output
    with cb.open_bucket(f"file://{tmp_path}/store", cb.load_key(tmp_path / "new.pem")) as bucket:
        assert {bucket.get(entry.name).read() for entry in bucket.list()} == {b"of 2025", b"plain"}


@pytest.mark.parametrize("way", [2, 3])
def test_a_recipient_who_left_reads_no_more(tmp_path: Path, way: int) -> None:
    new, recovery, bob = (
        cb.create_rsa_key_file(tmp_path / f"{name}.pem", description={"desc": name})
        for name in ("new", "recovery", "bob")
    )
    url = f"file://{tmp_path}/store"
    with cb.open_bucket(url, new, format="sealed") as bucket:
        for number in range(3):
            bucket.put(f"shared/{number}", b"to both", recipients=[recovery, bob])
    output = run(blocks(PAGE, "sh")[way], tmp_path)
    assert 'Can {"desc":"bob"} be retired? yes' in output
    assert "footer of" not in output
    for number in range(3):
        for key in (new, recovery):
            with cb.open_bucket(url, key, format="sealed") as bucket:
                assert bucket.get(f"shared/{number}").read() == b"to both"
        with (
            cb.open_bucket(url, bob, format="sealed") as bucket,
            pytest.raises(cb.NoMatchingKeyError),
        ):
            bucket.get(f"shared/{number}", footer_recipients=True)


def test_the_programs_of_the_page_work(tmp_path: Path) -> None:
    prepared(tmp_path)
    cb.create_rsa_key_file(tmp_path / "new.pem", description={"desc": "2026"})
    (tmp_path / "program.py").write_text(GIVEN + "\n".join(blocks(PAGE, "python")))
    output = run(f"{sys.executable} program.py file://$PWD/store", tmp_path)
    assert output.splitlines() == [
        "3 rotated, 0 left as they are",
        "3 reencrypted, 0 old versions left",
        "b'plain'",
        "3 encrypted, {'of kind oss': 1}",
        "[]",
        "b'plain'",
    ]
