"""The command line. It has no back door: all it does to stores and keys is public API.

Rule: of the rest of the package it uses open folders, the state folder, threads that stop and sizes
as text, and it may start the server. One file a command, in ``commands/``, imported only when its
command runs, so that ``--help`` and a shell's completion answer at once. A new command is a new
file, which holds a function of the same name, and a line in `COMMANDS`. `CommandLine` reports
errors, warnings and interrupts in one place (`cipherbucket.cli.errors`, which also holds the table
of exit codes); a command raises what the library raises and returns an exit code or nothing. Data
goes to stdout, everything else to stderr. A passphrase is never an argument.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from io import BufferedWriter, FileIO, TextIOWrapper
from types import FrameType
from typing import Any, NoReturn

import click

from cipherbucket import __version__
from cipherbucket.cli.errors import EXIT_CODES, ended, report_printable, reported
from cipherbucket.cli.options.addresses import take_addresses
from cipherbucket.cli.options.config import CONFIG_OPTION, NO_CONFIG
from cipherbucket.cli.terminal.help import Group

COMMANDS = {
    "audit": "Show which objects are encrypted, and with which key.",
    "cat": "Write objects, or a range of them, to stdout.",
    "completion": "Print the line that turns on completion in a shell.",
    "config": "Trust a cipherbucket.toml.",
    "cp": "Copy to, from and between stores, encrypting and decrypting.",
    "demo": "Show encryption at work on files in a folder.",
    "diff": "Show what is in one of two places only, or differs.",
    "du": "Show how much is stored, folder by folder.",
    "keygen": "Make a master key.",
    "keys": "Look after master keys.",
    "ls": "List objects, their versions, or the stores that are known.",
    "mv": "Move to, from and between stores: copy, then remove the source.",
    "mb": "Make a directory store.",
    "presign": "Print a URL by which others fetch an object, as ciphertext.",
    "recipients": "See and change which master keys open sealed objects.",
    "reencrypt": "Write objects anew under a new data key; encrypt plaintext.",
    "repair": "Repair a directory store, or a sealed object.",
    "restore": "Make archived objects readable for some days.",
    "rm": "Delete objects.",
    "rotate": "Give objects another master key; their ciphertext stays.",
    "serve": "Run a local OSS endpoint, for development and tests.",
    "stat": "Show all that is known of an object.",
    "sync": "Copy what is missing or differs, between folders and stores.",
    "transfers": "List and clear interrupted transfers.",
    "verify": "Read objects through, to know that they can be read.",
}
"""Each command's line in the help; the command itself is in ``commands/``, under its own name."""

_EXAMPLES = (
    "cipherbucket keygen cmk.pem",
    "cipherbucket mb file:///data/store",
    "cipherbucket cp -k cmk.pem report.pdf file:///data/store/",
    "cipherbucket sync -k cmk.pem photos file:///data/store/photos",
    "cipherbucket cat -k cmk.pem --range 0-99 file:///data/store/report.pdf",
    "cipherbucket COMMAND --help",
)


class CommandLine(Group):
    """A group that imports a command when it is run, and reports failures in one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        """Name all commands."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        command = getattr(import_module(f"cipherbucket.cli.commands.{name}"), name)
        assert isinstance(command, click.Command)
        command.short_help = COMMANDS[cmd_name]
        _take_no_config(command)
        return command

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002  click's signature
        formatter: click.HelpFormatter,
    ) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Give examples and the table of exit codes."""
        super().format_epilog(ctx, formatter)
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), text) for code, text in EXIT_CODES.items()])

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: ARG002  this one always ends the process
        **extra: Any,
    ) -> NoReturn:
        """Run and end the process with an exit code."""
        with ended():
            code = super().main(
                args, prog_name or "cipherbucket", complete_var, standalone_mode=False, **extra
            )
        sys.exit(code if isinstance(code, int) else 0)

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Parse the options of the program; ``--help`` and ``--version`` write and end here."""
        with reported(debug="--debug" in args):
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command and report what goes wrong."""
        with reported(debug=ctx.params["debug"]):
            return super().invoke(ctx)


def _leave_config_out(
    context: click.Context,
    param: click.Parameter,  # noqa: ARG001  click's signature
    value: bool,
) -> None:
    """Keep that no ``cipherbucket.toml`` is to be used; click calls it."""
    if value:
        context.meta[NO_CONFIG] = True


def _no_config(*, hidden: bool) -> click.Option:
    """Return the option; it is eager, because reading other options may need the file."""
    return click.Option(
        ["--no-config"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        hidden=hidden,
        callback=_leave_config_out,
        help="Use no cipherbucket.toml.",
    )


def _take_no_config(command: click.Command) -> None:
    """Let ``--no-config`` stand after a command, too: it is added to a line that was refused."""
    if all(each.name != "no_config" for each in command.params):
        command.params.append(_no_config(hidden=True))
    for below in command.commands.values() if isinstance(command, click.Group) else ():
        _take_no_config(below)


@click.group(
    cls=CommandLine,
    examples=_EXAMPLES,
    params=[_no_config(hidden=False)],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="cipherbucket", message="%(prog)s %(version)s")
@click.option(
    "--debug", is_flag=True, help="Log to stderr what is done, and show tracebacks of errors."
)
@click.option(
    "--region",
    metavar="REGION",
    help="Region of OSS, such as cn-hangzhou, or of S3; otherwise OSS_REGION or AWS_REGION.",
)
@click.option(
    "--endpoint",
    metavar="URL",
    help="Endpoint of OSS or S3; otherwise OSS_ENDPOINT or AWS_ENDPOINT_URL, or the region's.",
)
@click.option(
    "--profile", metavar="NAME", help="Profile of ~/.aws/config, for S3; otherwise AWS_PROFILE."
)
@click.option(
    "--config",
    metavar="FILE",
    help="The cipherbucket.toml; otherwise CIPHERBUCKET_CONFIG, or the nearest one in the"
    " working directory or above it, once it is trusted (config trust), or that in"
    " ~/.config/cipherbucket.",
)
@click.pass_context
def cli(
    context: click.Context,
    debug: bool,  # noqa: ARG001  `CommandLine.invoke` takes it
    region: str | None,
    endpoint: str | None,
    profile: str | None,
    config: str | None,
) -> None:
    """Client-side encryption for objects in object storage.

    Objects are encrypted here, before they go to the store, and decrypted here; the store sees
    ciphertext. A store is file:///folder (see mb), oss://bucket or s3://bucket, an object is
    STORE/NAME, with every character of the name taken as it stands.

    Keys are named by -k or in the environment variable CIPHERBUCKET_KEY (several: with ':'
    between): a file, kms:ID, or a name in cipherbucket.toml. That file also names stores, such as
    records://, and says which key writes where. The passphrase of an encrypted key is asked for on
    the terminal, or taken from CIPHERBUCKET_PASSPHRASE. Access keys are never arguments. Those of
    OSS are OSS_ACCESS_KEY_ID, OSS_ACCESS_KEY_SECRET and OSS_SESSION_TOKEN, or the default chain of
    credentials; those of S3 are what boto3 finds: AWS_ACCESS_KEY_ID and the like, or a profile.
    """
    if config is not None:
        if NO_CONFIG in context.meta:
            raise click.UsageError("--config and --no-config exclude each other.")
        context.meta[CONFIG_OPTION] = config
    given = {"--region": region, "--endpoint": endpoint, "--profile": profile}
    take_addresses(context.meta, given)


def main() -> NoReturn:
    """Run as a program."""
    _replace_closed_streams()
    sys.stderr = TextIOWrapper(
        BufferedWriter(_Stderr(sys.stderr.fileno(), "wb", closefd=False)),
        sys.stderr.encoding,
        "backslashreplace",
        line_buffering=True,
    )
    report_printable()
    if isinstance(sys.stdout, TextIOWrapper):
        if isinstance(sys.stdout.buffer, FileIO):
            sys.stdout = _buffered(sys.stdout)
        sys.stdout.reconfigure(errors="backslashreplace")  # for what the locale cannot write
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # what nohup ignores stays ignored
            signal.signal(number, _stop)
    with ended():
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.default_int_handler)  # it was the importer's
        cli.main()


def _replace_closed_streams() -> None:
    """Put something where whoever started the program has closed stdin, stdout or stderr.

    Otherwise the next file that is opened, part of a store perhaps, would take the descriptor.
    Reading stdin and writing to stdout fail.
    """
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            flags = os.O_RDONLY if name == "stdout" else os.O_WRONLY
            descriptor = os.open(os.devnull, flags)  # gets the least number, which was free
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, os.fdopen(descriptor, mode, closefd=False))


def _buffered(stdout: TextIOWrapper) -> TextIOWrapper:
    """Give the stdout of PYTHONUNBUFFERED a buffer.

    A file or a pipe may take a part of what is written. Without a buffer Python leaves it at that,
    and the rest would be lost without an error.
    """
    raw = FileIO(stdout.fileno(), "wb", closefd=False)
    return TextIOWrapper(BufferedWriter(raw), stdout.encoding, line_buffering=True)


class _Stderr(FileIO):
    """Stderr, whose reader may be gone, or whose disk full: what it does not take is lost.

    What is said of the work is not the work, whose exit code stays as it is.
    """

    def write(self, data: Any, /) -> int:
        """Write, or lose all of it."""
        size = memoryview(data).nbytes
        try:
            return super().write(data) or size
        except OSError:
            return size


def _stop(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001  the signature
    """Unwind, so that temporary files are removed, and end as the signal would."""
    sys.exit(128 + number)
