"""The text of ``cipherbucket.toml``: its tables, their lines, and what is wrong in them.

Rule: no secret may stand in it. What looks like one is refused, and no value is repeated in an
error: it may be what should not have been there. Every error carries the file and the line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cipherbucket.config import toml_lines
from cipherbucket.config.trust import digest_of
from cipherbucket.errors import MasterKeyError, UsageError

FILE_NAME = "cipherbucket.toml"

# Of a name with very many dots `tomllib` would make a table each, in the square of their time.
_LONG_NAME = re.compile(
    r"(?<![\w-])(?:(?:[\w-]+|\"[^\"\n]*\"|'[^'\n]*')[ \t]*\.[ \t]*){32}", re.ASCII
)
_SYNTAX_LINE = re.compile(r"\(at line (\d+), column \d+\)$")
_QUOTED = re.compile(r"'[^']*'")
_SECRET_NAME = re.compile(r"secret|pass|token|credential|private|access_?key", re.IGNORECASE)
_SECRET = re.compile(
    r"-----BEGIN |\b(?:LTAI|AKIA|ASIA)[0-9A-Za-z]{12,}|://[^/@\s]*@", re.IGNORECASE
)
_BARE_KEY = re.compile(r"[0-9A-Fa-f]{64}|[0-9A-Za-z+/]{43}=")
_LABELS = ("description", "encryption_context")
"""Tables of what is stored in the clear, such as fingerprints, which are as long as keys."""
_NO_SECRETS = (
    "the file holds paths, ids and names of environment variables only; access keys come from"
    " OSS_ACCESS_KEY_ID, OSS_ACCESS_KEY_SECRET and OSS_SESSION_TOKEN, or from what boto3 finds"
)


@dataclass(frozen=True)
class Document:
    """A file that was read.

    Attributes:
        path: Where it is, absolute.
        digest: The SHA-256 of its bytes, in hexadecimal.
        tables: What it says.
        lines: On which line each name stands.
    """

    path: Path
    digest: str
    tables: Mapping[str, Any]
    lines: Mapping[toml_lines.Path, int]

    def place(self, *names: str | int) -> Place:
        """Return a place in the file."""
        return Place(self, names)

    def relative(self, text: str) -> Path:
        """Return a path of the file: absolute, below ``~``, or relative to the file."""
        path = Path(text)
        try:
            path = path.expanduser()
        except RuntimeError:  # no such user
            return self.path.parent / path
        return self.path.parent / path


@dataclass(frozen=True)
class Place:
    """A place in a file, where something may be wrong.

    Attributes:
        document: The file.
        path: The names from the root.
    """

    document: Document
    path: toml_lines.Path

    @property
    def line(self) -> int:
        """Its line, or that of the nearest table around it."""
        return toml_lines.line_of(self.document.lines, self.path)

    def at(self, *names: str | int) -> Place:
        """Return a place below this one."""
        return Place(self.document, (*self.path, *names))

    def error(self, message: str, hint: str | None = None) -> UsageError:
        """Return what is wrong here."""
        return UsageError(self._located(message), hint=hint)

    def key_error(self, message: str, hint: str | None = None) -> MasterKeyError:
        """Return what is wrong with the key of this place."""
        return MasterKeyError(self._located(message), hint=hint)

    def _located(self, message: str) -> str:
        return f"{self.document.path}:{self.line}: {_label(self.path)}: {message}"

    def refuse_unknown(self, table: Iterable[str], known: Iterable[str]) -> None:
        """Refuse names that mean nothing.

        Raises:
            UsageError: There is one.
        """
        known = tuple(known)
        for name in table:
            if name in known:
                continue
            if _SECRET_NAME.search(name):
                raise self.at(name).error("no secret may be in this file", _NO_SECRETS)
            raise self.at(name).error("unknown name", suggestion(name, known))


def _is_secret(text: str) -> bool:
    """Return whether a text is an access key, or is as long as a bare AES key."""
    return bool(_SECRET.search(text) or _BARE_KEY.fullmatch(text.strip()))


def _label(path: toml_lines.Path) -> str:
    """Return a name as the file writes it: ``[keys.cmk] rsa``, ``[[rules]] at``."""
    parts = ["..." if isinstance(each, str) and _is_secret(each) else each for each in path]
    if parts[:1] == ["rules"]:
        header, rest = "[[rules]]", parts[2:]
    elif len(parts) > 1 and parts[0] in {"stores", "keys"}:
        header, rest = f"[{parts[0]}.{parts[1]}]", parts[2:]
    else:
        header, rest = "", parts
    shown = ".".join(str(part) for part in rest if isinstance(part, str))
    text = f"{header} {shown}".strip() or "the file"
    return text if text.isprintable() else ascii(text)


def suggestion(name: str, known: Iterable[str]) -> str:
    """Say what is known, and which of it may have been meant."""
    from difflib import get_close_matches  # noqa: PLC0415  only where something is wrong

    known = sorted(known)
    if not known:
        return "there are none in the file"
    close = get_close_matches(name, known, 1)
    meant = f"did you mean {close[0]}? " if close else ""
    return f"{meant}known: {', '.join(known)}"


def parse_document(path: Path, data: bytes) -> Document:
    """Take the bytes of a file apart.

    Args:
        path: Where it is, absolute.
        data: All that it holds.

    Raises:
        UsageError: It is no TOML, or holds what looks like a secret.
    """
    import tomllib  # noqa: PLC0415  for those alone who have such a file

    text = _text(path, data)
    if (long := _LONG_NAME.search(text)) is not None:
        line = text.count("\n", 0, long.start()) + 1
        raise UsageError(f"{path}:{line}: nested too deeply")
    try:
        tables = tomllib.loads(text)
        lines, texts = toml_lines.lines_of(text), list(_texts_in((), tables))
    except tomllib.TOMLDecodeError as error:
        position = _SYNTAX_LINE.search(str(error))
        line = int(position[1]) if position else text.count("\n") + 1
        what = (
            _SYNTAX_LINE.sub("", str(error)).strip().replace("(at end of document)", "at its end")
        )
        what = _QUOTED.sub(lambda name: "..." if _is_secret(name[0][1:-1]) else name[0], what)
        raise UsageError(f"{path}:{line}: no TOML: {what}", hint="see https://toml.io") from None
    except ValueError:  # Python reads no number of more than some thousand digits
        raise UsageError(f"{path}: a number is too long") from None
    except RecursionError:
        raise UsageError(f"{path}: nested too deeply") from None
    document = Document(path, digest_of(data), tables, lines)
    for at, value in texts:
        is_label = any(part in _LABELS for part in at)
        if _SECRET.search(value) or (not is_label and _is_secret(value)):
            raise document.place(*at).error("this looks like a key or an access key", _NO_SECRETS)
    return document


def _text(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path}:{line}: no UTF-8") from None


def _texts_in(path: toml_lines.Path, value: object) -> Iterator[tuple[toml_lines.Path, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from _texts_in((*path, name), name)
            yield from _texts_in((*path, name), part)
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from _texts_in((*path, number), part)
