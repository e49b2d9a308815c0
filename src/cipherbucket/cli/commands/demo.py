"""``demo``: a key, two files and a store in a folder, and what each looks like.

Strategy: it does what a user's program does, through the public API alone, and shows the bytes
that lie on the disk afterwards. It asks nothing, ends in seconds, and removes nothing.
"""

from __future__ import annotations

import filecmp
import os
import shlex
import shutil
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

import cipherbucket as cb
from cipherbucket.cli.errors import one_line
from cipherbucket.cli.terminal.help import Command
from cipherbucket.local_files.folders import open_folder
from cipherbucket.text import amount, printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_RECORDS = 1 << 20
_RECORD = 64
_SHOWN_RECORD = 654_321
_ROW = 8
_ROWS = 6
_TEXT = b"""# A letter

Nobody but the holder of the master key can read this. Every object is encrypted under a random
key of its own before it leaves this machine; the master key wraps that key, and the wrapped key
travels with the object. The store sees ciphertext only.
"""

_NOTE = b"Pay 100 to Alice."


@click.command(
    cls=Command,
    examples=("cipherbucket demo", "cipherbucket demo --dir /tmp/cipherbucket-demo"),
)
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False),
    default="demo-output",
    show_default=True,
    help="Where the files go; if it is there already, into a new folder inside it.",
)
def demo(folder: str) -> int:
    """Make a key, encrypt a text and a file of 64 MiB, and show what the store sees.

    Then read a range, try a wrong key, read all back and compare, and flip a bit in the store. It
    takes a few seconds and some 200 MiB; the files stay where it says. README.md of the working
    folder is the text, if there is one.
    """
    from rich.console import Console  # noqa: PLC0415  it takes longer to load than most commands

    screen = Console(highlight=False)
    screen.width = min(screen.width, 100)
    shown = _Demo(screen, _fresh(Path(folder).absolute()))
    shown.make_key()
    with cb.open_bucket(f"file://{shown.store}", shown.key) as bucket:
        shown.put_all(bucket)
        shown.show_stored(bucket)
        shown.read_range(bucket)
        shown.try_wrong_key()
        good = shown.read_back(bucket)
        good = shown.flip_bits(bucket) and good
    shown.show_timings()
    shown.show_leftovers()
    return 0 if good else 1


def _fresh(folder: Path) -> Path:
    """Make the folder, or a numbered one inside it."""
    chosen, number = folder, 1
    while chosen.exists():
        number += 1
        chosen = folder / str(number)
    try:
        with open_folder(chosen.parent, make=True) as above:
            os.mkdir(chosen.name, dir_fd=above.descriptor)
            return Path(above.path, chosen.name)
    except OSError as error:
        raise cb.UsageError(f"{chosen} cannot be made: {error.strerror}") from error


@dataclass
class _Demo:
    """The steps, in order."""

    screen: Console
    folder: Path
    timings: list[tuple[str, int | None, float]] = field(default_factory=list)

    @property
    def store(self) -> Path:
        return self.folder / "store"

    @property
    def letter(self) -> Path:
        return self.folder / "plain" / "README.md"

    @property
    def records(self) -> Path:
        return self.folder / "plain" / "records.txt"

    def make_key(self) -> None:
        self._title("1", "A master key, made here and kept here")
        with self._timed("make an RSA key of 3,072 bits"):
            self.key = cb.create_rsa_key_file(self.folder / "cmk.pem", description={"desc": "demo"})
        self._line(f"file         {self.folder / 'cmk.pem'}")
        self._line(f"fingerprint  {self.key.id}")
        self._line(f"description  {self.key.description}")

    def put_all(self, bucket: cb.Bucket) -> None:
        self._title("2", "Two files, encrypted into a store in a folder")
        self.letter.parent.mkdir()
        readme = Path("README.md")
        self.letter.write_bytes(readme.read_bytes() if readme.is_file() else _TEXT)
        with self.records.open("wb") as file:
            for first in range(0, _RECORDS, 1 << 14):
                numbers = range(first, first + (1 << 14))
                file.writelines(b"record %08d %s\n" % (n, b"." * 47) for n in numbers)
        for path in (self.letter, self.records):
            with self._timed(f"put {path.name}", path.stat().st_size):
                info = bucket.upload(path, path.name)
            self._line(f"{info.name:<12} {amount(info.size):>10}  ->  {bucket.url}/{info.name}")

    def show_stored(self, bucket: cb.Bucket) -> None:
        from rich.text import Text  # noqa: PLC0415

        self._title("3", "What you have, and what the store has")
        for path in (self.letter, self.records):
            body = next(self.store.rglob(bucket.head(path.name).etag))
            table = self._table()
            table.add_column("offset", justify="right", style="dim")
            table.add_column(f"plaintext: plain/{path.name}", no_wrap=True, style="green")
            table.add_column("on disk: ciphertext", no_wrap=True, style="red")
            for offset, clear, stored in _rows(path, body):
                table.add_row(str(offset), Text(clear), Text(stored))
            self.screen.print(table)
            self._line(f"  the bytes on disk are {body}")
        self._line("")
        self._line("and the metadata that travels with README.md:")
        table = self._table()
        with cb.open_store(bucket.url) as store:
            metadata = store.head(self.letter.name).metadata
        names = max(map(len, metadata))
        table.add_column("name", no_wrap=True, min_width=names)
        table.add_column("value", no_wrap=True)
        for name, text in metadata.items():
            table.add_row(name, Text(_shortened(printable(text), self.screen.width - names - 5)))
        self.screen.print(table)
        self._line(
            "  -key and -start are the data key and the counter, wrapped with the master key;"
        )
        self._line("  without the master key they are of no use to anyone")

    def read_range(self, bucket: cb.Bucket) -> None:
        self._title("4", "A range, from the middle of 64 MiB")
        start = _SHOWN_RECORD * _RECORD
        with (
            self._timed("read 64 bytes of records.txt", _RECORD),
            bucket.get(self.records.name, start=start, length=_RECORD) as stream,
        ):
            data = stream.read()
        self._line(f"bytes {start:,} to {start + _RECORD - 1:,}:")
        self._line(f"  {data.decode().rstrip()}")

    def try_wrong_key(self) -> None:
        self._title("5", "The wrong key")
        wrong = cb.create_rsa_key_file(self.folder / "wrong.pem", description={"desc": "wrong"})
        with cb.open_bucket(f"file://{self.store}", wrong) as bucket:
            for how, key in (("by its description", None), ("forced", wrong)):
                try:
                    bucket.get(self.letter.name, key=key).close()
                except cb.CipherbucketError as error:
                    self._line(f"{how}: {type(error).__name__}", style="bold")
                    for line in textwrap.wrap(one_line(error), self.screen.width - 2):
                        self._line(f"  {line}")

    def read_back(self, bucket: cb.Bucket) -> bool:
        self._title("6", "Read back and compared")
        copies = self.folder / "read-back"
        copies.mkdir()
        good = True
        for path in (self.letter, self.records):
            with self._timed(f"get {path.name}", path.stat().st_size):
                bucket.download(path.name, copies / path.name)
            same = filecmp.cmp(path, copies / path.name, shallow=False)
            good = good and same
            self._line(f"{path.name:<12} {'the same, byte for byte' if same else 'DIFFERS'}")
        return good

    def flip_bits(self, bucket: cb.Bucket) -> bool:
        """Alter an object of each format; return whether the sealed one shows it."""
        self._title("7", "One bit, flipped in the store by somebody who may write there")
        self._line(f"both objects were put as  {_NOTE.decode()}")
        detected = False
        for format_ in ("oss", "sealed"):
            name = f"note-{format_}.txt"
            with cb.open_bucket(bucket.url, self.key, format=format_) as noted:
                noted.put(name, _NOTE)
                self._replace_flipped(noted, name)
                try:
                    with noted.get(name) as stream:
                        text = stream.read().decode()
                except cb.IntegrityError as error:
                    text, detected = (
                        f"{type(error).__name__}, and not one byte",
                        format_ == "sealed",
                    )
            self._line(f"{name:<15} reads as  {text}", style="bold")
        self._line(
            "  oss, which every OSS SDK reads, shows accidents alone; sealed shows tampering"
        )
        return detected

    def _replace_flipped(self, bucket: cb.Bucket, name: str) -> None:
        """Put another body into the store, as whoever may write there can, with all checksums."""
        info = bucket.head(name)
        body = bytearray(next(self.store.rglob(info.etag)).read_bytes())
        first = 56 if info.format == "sealed" else 0  # where the ciphertext begins
        body[first + _NOTE.index(b"1")] ^= 0x08
        with cb.open_store(bucket.url) as store:
            store.put(name, bytes(body), metadata=store.head(name).metadata)

    def show_timings(self) -> None:
        self._title("8", "Timings")
        table = self._table()
        table.add_column("what")
        for heading in ("size", "time", "rate"):
            table.add_column(heading, justify="right")
        for what, size, seconds in self.timings:
            rate = f"{amount(size / seconds)}/s" if size is not None and size > 1 << 20 else ""
            shown = "" if size is None else amount(size)
            table.add_row(what, shown, f"{1000 * seconds:,.1f} ms", rate)
        self.screen.print(table)
        self._line("  a put ends when its bytes are safe on the disk")

    def show_leftovers(self) -> None:
        self._title("9", "Yours to look at")
        self._line(f"all of it is in {self.folder}; try:")
        installed = Path(sys.executable).with_name("cipherbucket")
        found = shutil.which("cipherbucket") is not None or not installed.exists()
        program = "cipherbucket" if found else shlex.quote(str(installed))
        store, key = f"file://{self.store}", shlex.quote(str(self.folder / "cmk.pem"))
        listed, letter, records = (
            shlex.quote(f"{store}/{name}") for name in ("", "README.md", "records.txt")
        )
        for command in (
            f"ls -l {listed}",
            f"stat -k {key} {letter}",
            f"cat -k {key} --range 0-63 {records}",
        ):
            self._line(f"  {program} {command}", style="bold")

    @contextmanager
    def _timed(self, what: str, size: int | None = None) -> Iterator[None]:
        begun = time.perf_counter()
        yield
        self.timings.append((what, size, time.perf_counter() - begun))

    def _title(self, number: str, text: str) -> None:
        self.screen.print()
        self.screen.rule(f"[bold]{number}  {text}", align="left", style="blue")

    def _line(self, text: str, style: str = "") -> None:
        """Print a line that the terminal may wrap, so that it can be copied."""
        self.screen.print(printable(text), style=style, markup=False, soft_wrap=True)

    @staticmethod
    def _table() -> Table:
        from rich import box  # noqa: PLC0415
        from rich.table import Table  # noqa: PLC0415

        return Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")


def _rows(plain: Path, body: Path) -> Iterator[tuple[int, str, str]]:
    """Give the beginnings of two files, row by row, as hex and text."""
    with plain.open("rb") as clear, body.open("rb") as stored:
        for offset in range(0, _ROW * _ROWS, _ROW):
            yield offset, _dumped(clear.read(_ROW)), _dumped(stored.read(_ROW))


def _shortened(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 3]}..."


def _dumped(data: bytes) -> str:
    text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in data)
    return f"{data.hex(' '):<{3 * _ROW - 1}}  {text}"
