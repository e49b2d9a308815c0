"""``completion``: click makes it, this prints the line that turns it on."""

from __future__ import annotations

import os
from pathlib import PurePath

import click

import cipherbucket as cb
from cipherbucket.cli.terminal.help import Command

_LINES = {
    "bash": 'eval "$(_CIPHERBUCKET_COMPLETE=bash_source cipherbucket)"',
    "fish": "_CIPHERBUCKET_COMPLETE=fish_source cipherbucket | source",
    "zsh": 'eval "$(_CIPHERBUCKET_COMPLETE=zsh_source cipherbucket)"',
}
_FILES = {
    "bash": "~/.bashrc",
    "fish": "~/.config/fish/completions/cipherbucket.fish",
    "zsh": "~/.zshrc",
}


@click.command(
    cls=Command,
    examples=(
        "cipherbucket completion bash >> ~/.bashrc",
        "cipherbucket completion zsh >> ~/.zshrc",
        "cipherbucket completion fish > ~/.config/fish/completions/cipherbucket.fish",
    ),
)
@click.argument("shell", required=False, type=click.Choice(sorted(_LINES)))
def completion(shell: str | None) -> None:
    """Print the line that turns on completion; put it into the file that your shell reads first.

    Without SHELL the environment variable of that name decides.
    """
    chosen = shell or PurePath(os.environ.get("SHELL", "")).name
    if chosen not in _LINES:
        raise cb.UsageError(
            f"no completion for the shell {chosen!r}", hint=f"name one of {', '.join(_LINES)}"
        )
    click.echo(f"# for {_FILES[chosen]}")
    click.echo(_LINES[chosen])
