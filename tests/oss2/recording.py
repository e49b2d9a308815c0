"""What calls of oss2 and of the layer came to, in a form in which the two can be compared.

Rule: nothing of a result is left out but what is random or a time (`VOLATILE`), of which the type
is kept; and private names. Bodies are kept whole up to 64 bytes, else by their length and digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.oss2.scene import Scene

VOLATILE = frozenset(
    [
        "bucket_name",
        "crc",
        "client_crc",
        "server_crc",
        "etag",
        "request_id",
        "last_modified",
        "upload_id",
        "initiation_date",
        "creation_date",
        "restore_info",
        "next_upload_id_marker",
        "part_crc",
        "url",
        "versionid",
        "date",
        "owner_time",
        "next_marker_time",
    ]
)
"""Attributes that are new in every run."""
RANDOM_HEADERS = frozenset(
    [
        "content-md5",
        "date",
        "etag",
        "last-modified",
        "x-oss-hash-crc64ecma",
        "x-oss-request-id",
        "x-oss-server-time",
        "x-oss-restore",
        "x-oss-version-id",
        "x-oss-meta-client-side-encryption-key",
        "x-oss-meta-client-side-encryption-start",
    ]
)
PLUMBING = frozenset(["resp", "stream", "select_resp", "root_node"])
_PLAIN = (bool, int, float, type(None))
Found = dict[str, Any]


def short(data: bytes) -> str:
    """Name bytes."""
    if len(data) <= 64:
        return repr(data)
    return f"{len(data)} bytes {hashlib.sha256(data).hexdigest()[:16]}"


def headers_of(headers: Mapping[str, str]) -> dict[str, str]:
    """Return response headers, of the random ones only that they are there."""
    found = {
        name.lower(): "..." if name.lower() in RANDOM_HEADERS else value
        for name, value in headers.items()
    }
    if found.get("content-type") == "application/xml" and "content-length" in found:
        found["content-length"] = "..."  # times and ids are in it, not all of one length
    return found


def described(value: Any, depth: int = 0) -> Any:
    """Return a value without what is random in it."""
    found: Any
    if isinstance(value, _PLAIN):
        found = value
    elif isinstance(value, bytes):
        found = short(value)
    elif isinstance(value, str):
        found = str(value)
    elif isinstance(value, Mapping):
        found = {str(name): described(each, depth + 1) for name, each in value.items()}
    elif isinstance(value, list | tuple):
        found = [described(each, depth + 1) for each in value]
    elif isinstance(value, set | frozenset):
        found = sorted((described(each, depth + 1) for each in value), key=repr)
    elif isinstance(value, type) or callable(value) or depth > 4:
        found = getattr(value, "__name__", type(value).__name__)
    else:
        found = {"class": type(value).__name__, **dict(attributes(value, depth))}
    return found


def attributes(value: Any, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Yield the public attributes of a result."""
    for name in dir(value):
        if name.startswith("_") or name in PLUMBING:
            continue
        try:
            found = getattr(value, name)
        except AttributeError:
            continue  # a property that needs what is not there
        if callable(found):
            continue
        if name == "headers":
            yield name, headers_of(found)
        elif name in VOLATILE:
            yield name, type(found).__name__
        else:
            yield name, described(found, depth + 1)


@dataclass
class Record:
    """What a script did in one scene.

    Attributes:
        scene: Where.
        results: By the label of the call.
    """

    scene: Scene
    results: dict[str, Found] = field(default_factory=dict)

    def call(self, label: str, deed: Callable[..., Any]) -> Any:
        """Do something; keep what came of it, also an error. Return the result, or None."""
        assert label not in self.results, label
        error_class = self.scene.part("exceptions").OssError
        try:
            result = deed()
        except error_class as error:
            self.results[label] = {
                "raised": type(error).__name__,
                "status": error.status,
                "code": error.code,
                "ancestors": [
                    kind.__name__
                    for kind in type(error).__mro__
                    if kind.__module__ != "builtins"
                    and kind.__name__ != "ServerError"
                    and not kind.__name__.startswith("_")
                ],
            }
            return None
        except Exception as error:  # noqa: BLE001  what else comes is compared as well
            self.results[label] = {"raised": type(error).__name__}
            return None
        self.results[label] = {"returned": described(result)}
        return result

    def same(self, label: str, value: Any) -> None:
        """Keep a value."""
        assert label not in self.results, label
        self.results[label] = {"returned": described(value)}

    def stored(self) -> None:
        """Keep what is on the store: names, sizes, and the metadata that is not random."""
        store = self.scene.store()
        for entry in store.list().entries:
            head = store.head(entry.name)
            self.results[f"stored {entry.name[:40]} {len(entry.name)}"] = {
                "size": head.size,
                "headers": dict(head.headers),
                "metadata": {
                    name: "..." if f"x-oss-meta-{name}" in RANDOM_HEADERS else value
                    for name, value in head.metadata.items()
                },
            }


def flat(found: Any, path: str = "") -> dict[str, Any]:
    """Return the leaves of what was found, by their path."""
    if isinstance(found, dict) and found:
        leaves: dict[str, Any] = {}
        for name, each in found.items():
            leaves |= flat(each, f"{path}.{name}" if path else str(name))
        return leaves
    if isinstance(found, list) and found:
        leaves = {}
        for number, each in enumerate(found):
            leaves |= flat(each, f"{path}[{number}]")
        return leaves
    return {path: found}


MISSING = "(missing)"


def differences(real: Record, layer: Record) -> list[tuple[str, str, Any, Any]]:
    """Return (label, path, with oss2, with the layer) wherever the two differ.

    Attributes that the layer has more are no difference, nor are private ancestors of an exception.
    """
    told = []
    for label, found in real.results.items():
        other = layer.results.get(label, {})
        if ("raised" in found) != ("raised" in other):
            told.append((label, "outcome", outcome(found), outcome(other)))
            continue
        theirs, ours = flat(found), flat(other)
        told += [
            (label, path, value, ours.get(path, MISSING))
            for path, value in theirs.items()
            if ours.get(path, MISSING) != value
        ]
        told += [
            (label, path, MISSING, value)
            for path, value in ours.items()
            if path not in theirs
            and (path.startswith("returned.headers.") or not path.startswith("returned."))
        ]
    more = [label for label in layer.results if label not in real.results]
    return told + [(label, "outcome", MISSING, outcome(layer.results[label])) for label in more]


def outcome(found: Found) -> str:
    """Say in a word what came of a call."""
    if "raised" in found:
        return f"raised {found['raised']}"
    returned = found.get("returned")
    return f"returned {returned.get('class') if isinstance(returned, dict) else returned}"
