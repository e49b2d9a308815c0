"""``docs/command.md`` names every command and every option."""

import re

import click
from tests.cli.test_help import commands
from tests.support.documents import ROOT

SPANS = re.findall(r"`([^`]+)`", (ROOT / "docs" / "command.md").read_text("utf-8"))


def named(word: str) -> bool:
    return any(re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", span) for span in SPANS)


def test_every_command_is_on_the_page() -> None:
    assert [name for name, _ in commands() if not all(map(named, name.split()))] == []


def test_every_option_is_on_the_page() -> None:
    options = {
        option
        for _, command in commands()
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.hidden
        for option in parameter.opts
        if option.startswith("--")
    }
    assert sorted(option for option in options if not named(option)) == []
