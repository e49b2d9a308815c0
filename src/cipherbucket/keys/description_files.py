"""What lies beside a key file, in ``<key file>.json``: what the key is called, and what it is for.

Rule: the fingerprint stands there too, so that a description is never taken for another key's
(docs/decisions/0004). A file that is there and cannot be understood is an error, not no file. One
that others could have put there is not believed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from cipherbucket.errors import MasterKeyError, UsageError
from cipherbucket.format.description import Description
from cipherbucket.keys.file_owners import owner_of, read_beside

MISSING = (
    "put it back beside the key, or give the description: description={...}, which may be empty"
)
"""What to do where the description of a public half is missing."""


@dataclass(frozen=True)
class KeyFacts:
    """What lies beside a key file; the description is parsed only where it is needed."""

    sidecar: Path
    described: object
    sealed_only: bool

    def description(self) -> Description:
        """Parse the description.

        Raises:
            MasterKeyError: It is none.
        """
        if not isinstance(self.described, str | Mapping):
            raise _unreadable(self.sidecar)
        try:
            return Description(self.described)
        except UsageError as error:
            raise _unreadable(self.sidecar) from error


def read_facts(sidecar: Path, fingerprint: str | None, also: Collection[int] = ()) -> KeyFacts:
    """Read what lies beside a key file.

    Args:
        sidecar: From `description_path`.
        fingerprint: The id of the key in the key file; None where the key is not read.
        also: Users who may own it beside this one and root: the owner of a private key.

    Raises:
        MasterKeyError: It is damaged, another key's, or others can replace it.
    """
    try:
        facts = json.loads(read_beside(sidecar, also))
        stated, described = facts["fingerprint"], facts["description"]
        sealed_only = facts.get("sealed_only", False)
    except MasterKeyError:
        raise
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise _unreadable(sidecar) from error
    if fingerprint not in {None, stated}:
        raise MasterKeyError(
            f"{sidecar} describes key {stated}, not this one ({fingerprint})",
            hint="put the right file beside the key, or move this one away",
        )
    if not isinstance(sealed_only, bool):
        raise _unreadable(sidecar)
    return KeyFacts(sidecar, described, sealed_only)


def read_description_file(path: str | os.PathLike[str]) -> tuple[Description, bool] | None:
    """Return what lies beside a key file, without reading the key; `load_key` checks it.

    Returns:
        The description, and whether the key is for format ``sealed`` only; None if there is
        nothing that can be understood.
    """
    sidecar = description_path_of(Path(path))
    try:
        facts = read_facts(sidecar, None, owner_of(Path(path)))
        return facts.description(), facts.sealed_only
    except MasterKeyError:
        return None


def stated_fingerprint(path: str | os.PathLike[str]) -> str | None:
    """Return the fingerprint that lies beside a key file; None if there is none to be believed."""
    try:
        facts = json.loads(read_beside(description_path_of(Path(path)), owner_of(Path(path))))
        stated = facts["fingerprint"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):  # MasterKeyError is one
        return None
    return stated if isinstance(stated, str) else None


def has_description_file(path: str | os.PathLike[str]) -> bool:
    """Return whether anything lies where `read_description_file` looks, understood or not."""
    return os.path.lexists(description_path_of(Path(path)))


def description_path_of(file: Path) -> Path:
    """Return where the description of the key in a file lies, also for the public half's file."""
    return description_path(file.with_suffix("") if file.suffix == ".pub" else file)


def description_path(path: Path) -> Path:
    """Return where the description of a key file lies."""
    return path.with_name(path.name + ".json")


def encode_facts(label: Description, fingerprint: str, *, sealed_only: bool) -> bytes:
    """Return what to write beside a key file.

    Args:
        label: The key's description.
        fingerprint: The key's id.
        sealed_only: Whether the key is for format ``sealed`` only.
    """
    facts: dict[str, object] = {"description": _as_written(label), "fingerprint": fingerprint}
    if sealed_only:
        facts["sealed_only"] = True
    return json.dumps(facts, indent=2).encode() + b"\n"


def _as_written(label: Description) -> dict[str, str] | str:
    """Return the mapping, which people read; or the text, where it is another than we write."""
    return dict(label) if Description(dict(label)).text == label.text else label.text


def missing_description(sidecar: Path) -> MasterKeyError:
    """Return what is wrong with a public half without the file that says what it is called."""
    return MasterKeyError(
        f"{sidecar} is missing: without it, nobody finds what this public half writes, and a key"
        " for format sealed alone would write oss",
        hint=MISSING,
    )


def _unreadable(sidecar: Path) -> MasterKeyError:
    return MasterKeyError(
        f"{sidecar}: cannot be read as the description of a key",
        hint="repair it, or move it away and give the description yourself",
    )
