"""The page about S3: its commands and examples run against a server, its tables are true."""

import re
import sys
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
from tests.support.documents import ROOT, blocks, run
from tests.support.s3_servers import moto

import cipherbucket as cb
from cipherbucket.config import stores

PAGE = ROOT / "docs" / "s3.md"


def test_the_commands_and_the_python_of_the_page_work(tmp_path: Path) -> None:
    run('cipherbucket keygen cmk.pem --description \'{"desc":"2026"}\'', tmp_path)
    (tmp_path / "hello.txt").write_text("Hello S3!")
    install, commands = blocks(PAGE, "sh")
    assert install == "pip install -e '.[s3]'\n"
    first, settings = blocks(PAGE, "python")
    program = tmp_path / "program.py"
    program.write_text(f"{first}\nprint(bucket.get('exampleobject.txt').read())\n{settings}")
    with moto() as server:
        server.make_bucket("examplebucket")
        output = run(commands, tmp_path, **server.environment())
        assert "Hello S3!" in output
        assert "s3://examplebucket" in output.splitlines()[-1]
        said = run(f"{sys.executable} program.py", tmp_path, **server.environment())
    assert said == "b'Hello S3!'\n"


def test_the_page_names_every_setting() -> None:
    page = PAGE.read_text("utf-8")
    settings = {each.name for each in fields(cb.S3Settings)}
    assert {name for name in settings if f"`{name}`" not in page} == set()
    left_out = settings - set(stores.SETTINGS["s3"])
    said = re.search(r"but\n?(.*?)`app_name`:", page, re.DOTALL)
    assert said is not None
    assert {*re.findall(r"`(\w+)`", said[1]), "app_name"} == left_out


def test_the_file_on_the_page_can_be_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    (text,) = blocks(PAGE, "toml")
    config = tmp_path / "cipherbucket.toml"
    config.write_text(text)
    config.chmod(0o600)
    expected = tomllib.loads(text)["stores"]["records"]
    del expected["url"]
    settings = cb.load_config(config).settings("s3://examplebucket")
    assert settings == cb.S3Settings(**expected)


@pytest.mark.parametrize(("kind", "least"), [("AES keys", 15), ("RSA-2048", 4)])
def test_so_many_recipients_fit(kind: str, least: int, tmp_path: Path) -> None:
    keys: list[cb.MasterKey]
    if kind.startswith("AES"):
        keys = [
            cb.create_aes_key_file(tmp_path / f"{n}", description={"desc": f"team-{n:04}"})
            for n in range(16)
        ]
    else:
        key = cb.create_rsa_key_file(tmp_path / "k", description={"desc": "k"}, bits=2048)
        keys = [key.described({"desc": f"team-{n:04}"}) for n in range(16)]
    assert f"| {kind} | {least} |" in PAGE.read_text("utf-8")
    sizes = []
    for count in (least, least + 1):
        recipients = keys[1:count]
        with cb.open_bucket("memory://", keys[0], format="sealed", recipients=recipients) as bucket:
            bucket.put("a", b"")
            metadata = bucket.access.store.head("a").metadata
            sizes.append(sum(map(len, [*metadata, *metadata.values()])))
    assert sizes[0] <= 2048 < sizes[1]
