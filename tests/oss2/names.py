"""The public names of oss2, with how they are called: of its modules and of its `CryptoBucket`.

`oss2_names.json` keeps those of oss2 2.19.1, so that the layer can be compared where oss2 is not
installed; the interop tests compare the file with oss2 itself. It is written by
``python -m tests.oss2.names``.

What a module merely imported from another is listed where it is from, but for the package itself,
whose names are what programs import.
"""

from __future__ import annotations

import inspect
import json
import types
from pathlib import Path
from typing import Any

from tests.oss2.scene import REAL, load

FILE = Path(__file__).with_name("oss2_names.json")
MODULES = (
    "crypto",
    "models",
    "exceptions",
    "resumable",
    "iterators",
    "defaults",
    "auth",
    "credentials",
    "http",
    "headers",
    "utils",
)
BUCKET = "CryptoBucket"
Names = dict[str, dict[str, list[str] | None]]


def signature_of(value: Any) -> list[str] | None:
    """Return the parameters as ``name``, ``name=default`` or ``*name``, None for what has none."""
    if not callable(value) or (isinstance(value, type) and issubclass(value, BaseException)):
        return None
    try:
        parameters = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return None
    return [_shown(each) for each in parameters if each.name != "self"]


def _shown(parameter: inspect.Parameter) -> str:
    stars = {"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}.get(parameter.kind.name, "")
    if parameter.default is parameter.empty:
        return stars + parameter.name
    default = parameter.default
    plain = isinstance(default, str | int | float | bool | type(None))
    return f"{parameter.name}={default!r}" if plain else f"{parameter.name}=..."


def differing(real: list[str] | None, layer: list[str] | None) -> list[str]:
    """Return the parameters in which a call of the layer differs from that of oss2.

    What the layer has more, after all of oss2's or by keyword, is no difference.
    """
    if real is None or layer is None:
        return []
    told = [
        _name(ours) for theirs, ours in zip(real, layer, strict=False) if not _same(theirs, ours)
    ]
    return told + [_name(each) for each in real[len(layer) :]]


def _name(parameter: str) -> str:
    return parameter.partition("=")[0]


def _same(theirs: str, ours: str) -> bool:
    if theirs.startswith("**"):
        return ours.startswith("**")
    # a default that is an object cannot be compared
    return theirs == ours or (theirs.endswith("=...") and _name(theirs) == _name(ours))


def names_of(module: Any, prefix: str, headers: Any = None) -> dict[str, list[str] | None]:
    """Return the public names of a module or class and how they are called."""
    found = {}
    for name in dir(module):
        value = getattr(module, name)
        if name.startswith("_") or name == "logger" or isinstance(value, types.ModuleType):
            continue
        origin = getattr(value, "__module__", None)
        if headers is not None and (
            (origin is None and module is not headers and hasattr(headers, name))
            or (origin is not None and origin != prefix)
        ):
            continue
        found[name] = signature_of(value)
    return found


def real_names() -> Names:
    """Return all of them, by the place that they are in."""
    package, headers = load(REAL), load(REAL, "headers")
    names: Names = {"oss2": names_of(package, REAL)}
    names[BUCKET] = names_of(package.CryptoBucket, REAL)
    for module in MODULES:
        part = load(REAL, module)
        names[module] = names_of(part, f"{REAL}.{module}", headers)
    return names


def committed() -> Names:
    """Return what the file says."""
    names: Names = json.loads(FILE.read_text("utf-8"))
    return names


def written(names: Names) -> str:
    """Return the text of the file: a name a line."""
    places = []
    for place, found in sorted(names.items()):
        lines = ",\n".join(
            f"  {json.dumps(name)}: {json.dumps(found[name])}" for name in sorted(found)
        )
        places.append(f" {json.dumps(place)}: {{\n{lines}\n }}")
    return "{\n" + ",\n".join(places) + "\n}\n"


if __name__ == "__main__":
    FILE.write_text(written(real_names()), "utf-8")
