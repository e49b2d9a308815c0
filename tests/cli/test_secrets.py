"""No command repeats the signature of a URL, or a password in one."""

import pytest
from tests.cli.runs import invoke

SIGNED = "https://me:swordfish@b.oss.invalid/a?Signature=swordfish&security-token=swordfish"


@pytest.mark.parametrize(
    "command",
    [
        ("ls", SIGNED),
        ("stat", SIGNED),
        ("cat", SIGNED),
        ("cp", SIGNED, "here"),
        ("cp", "-r", SIGNED, "here"),
        ("sync", SIGNED, "here"),
        ("rm", SIGNED),
        ("verify", SIGNED),
        ("rotate", SIGNED),
        ("reencrypt", SIGNED),
        ("audit", SIGNED),
        ("mb", SIGNED),
        ("repair", SIGNED),
        ("repair", "--index", SIGNED),
        ("transfers", SIGNED),
        ("--endpoint", SIGNED, "ls", "oss://bucket/"),
    ],
    ids=" ".join,
)
def test_a_signed_url_in_the_wrong_place_is_not_repeated(command: tuple[str, ...]) -> None:
    for line in (command, ("--debug", *command)):
        result = invoke(*line)
        assert result.exit_code != 0
        assert "swordfish" not in result.stdout + result.stderr


@pytest.mark.parametrize(
    "name", ["OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET", "OSS_SESSION_TOKEN"]
)
def test_credentials_that_cannot_be_sent_are_not_repeated(name: str) -> None:
    access = {"OSS_ACCESS_KEY_ID": "id", "OSS_ACCESS_KEY_SECRET": "secret", name: "sword\nfish"}
    for debug in ((), ("--debug",)):
        result = invoke(*debug, "--region", "cn-hangzhou", "ls", "oss://bucket/", env=access)
        assert result.exit_code == 2
        assert "sword" not in result.stdout + result.stderr
        assert "it is not shown" in result.stderr
