"""The page about ``cipherbucket.toml``: its example is loaded and used."""

from pathlib import Path

import pytest
from tests.cli.runs import invoke, succeed
from tests.support.documents import ROOT, blocks
from tests.support.served_oss import oss_environment

import cipherbucket as cb
from cipherbucket.config import keys, rules, stores
from cipherbucket.server import Endpoint
from cipherbucket.server.kms import KmsEndpoint

PAGE = ROOT / "docs" / "config.md"


def test_the_example_works_on_the_command_line_and_in_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "report.pdf").write_text("Hello OSS!")
    monkeypatch.chdir(tmp_path)
    for name in ("2026", "2024"):
        passphrase = "hush" if name == "2026" else None
        cb.create_rsa_key_file(
            f"keys/cmk-{name}.pem", description={"desc": name}, passphrase=passphrase
        )
    cb.create_rsa_key_file("keys/recovery.pem", description={"desc": "recovery"})
    (example,) = blocks(PAGE, "toml")
    Path("cipherbucket.toml").write_text(example)
    Path("cipherbucket.toml").chmod(0o644)
    (commands,) = blocks(PAGE, "sh")
    (program,) = blocks(PAGE, "python")
    with (
        Endpoint(buckets=["health-records"]) as endpoint,
        KmsEndpoint(
            access_key_id=endpoint.access_key_id,
            access_key_secret=endpoint.access_key_secret,
            aliases=["alias/example"],
        ) as kms,
    ):
        for name, value in {
            **oss_environment(endpoint),
            "KMS_ENDPOINT": kms.url,
            "CMK_PASSPHRASE": "hush",
        }.items():
            monkeypatch.setenv(name, value)
        outputs = [
            succeed(*line.split()[1:]).stdout for line in commands.splitlines() if line.strip()
        ]
        assert outputs[0].endswith(f"trusted: {tmp_path}/cipherbucket.toml\n")
        assert outputs[1].count("works") == 4
        assert outputs[-1] == "Hello OSS!"
        exec(compile(program, str(PAGE), "exec"), {})
        assert capsys.readouterr().out == "cloud\n"
        succeed("cp", "report.pdf", "records://reports/")
        assert invoke("cp", "-r", "records://", "back").exit_code == 1
        assert invoke("sync", "--delete", "records://", "back").exit_code == 2
        info = cb.load_config().open("records").head("reports/report.pdf")
        assert info.envelope is not None
        assert [dict(each.description) for each in info.envelope.recipients] == [
            {"kms": "alias/example"},
            {"desc": "recovery"},
        ]


def test_the_page_names_everything_that_the_file_can_say() -> None:
    page = PAGE.read_text()
    tables = (
        *stores.SETTINGS.values(),
        *keys.SETTINGS.values(),
        rules.SETTINGS,
    )
    for table in tables:
        for name in table:
            assert f"`{name}`" in page, name
    for name in stores.RESERVED:
        assert f"`{name}`" in page
