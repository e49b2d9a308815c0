"""``mv``: a copy whose source is removed once the copy is proved to be there."""

from __future__ import annotations

import click

from cipherbucket.cli.copying.command import CopyCommand
from cipherbucket.cli.options.access import AccessOptions, access_options
from cipherbucket.cli.options.choosing import Choosing, choosing_options
from cipherbucket.cli.options.copying import CopyOptions, copy_options
from cipherbucket.cli.options.globs import COPY_GLOBS, GlobCommand
from cipherbucket.cli.options.parsing import complete_files
from cipherbucket.cli.options.writing import WriteOptions, write_options


@click.command(
    cls=GlobCommand,
    examples=(
        "cipherbucket mv -k cmk.pem report.pdf file:///data/store/reports/",
        "cipherbucket mv oss://bucket/reports/a.pdf oss://bucket/reports/b.pdf",
        "cipherbucket mv -r oss://bucket/2025/ oss://bucket/archive/2025/",
        "cipherbucket mv -k cmk.pem -r scans oss://bucket/scans/",
    ),
)
@click.argument(
    "sources", metavar="SOURCE...", nargs=-1, required=True, shell_complete=complete_files
)
@click.argument("target", shell_complete=complete_files)
@choosing_options
@COPY_GLOBS
@copy_options
@access_options(reads=True, writes=True)
@write_options
def mv(
    sources: tuple[str, ...],
    target: str,
    choosing: Choosing,
    access: AccessOptions,
    writing: WriteOptions,
    options: CopyOptions,
) -> int:
    """Copy each SOURCE to TARGET as cp does, and remove it then.

    A source is removed only when its copy is proved to be there, and only if it is still the one
    that was copied; else both are left, and that is said. What --update, --skip-existing or a
    pattern leaves out stays where it is, and so do folders that are empty then. What was
    interrupted goes on when the same command is run again. Between buckets of one name at two
    hosts, which could be one, nothing is moved: copy with cp, look at the copies, and remove the
    source with rm.

    Files that this command itself uses are never moved or replaced: its keys, with FILE.pub and
    FILE.json, its cipherbucket.toml and its journals.
    """
    return CopyCommand(sources, target, choosing, access, writing, options, moves=True).run()
