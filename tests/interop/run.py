"""One run of the matrix: writes when a writer is first read from, and remembers every outcome."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path

from tests.interop import matrix
from tests.interop.limitations import NOT_WRITTEN, OK, REFUSED, WRONG
from tests.interop.matrix import CASES, DESCRIPTIONS, SECOND_KEY, V1_WRITERS, Case, Written
from tests.interop.peers import Client, Driver, Key, Ours, Peer, RefusedError, open_ours
from tests.interop.recorded import Recordings
from tests.interop.toolchains import GO_BIN, java_command, python_command

from cipherbucket.server import Endpoint

BUCKET = "interop"


class Run:
    """The endpoint, the keys, the peers and what came of it.

    Args:
        endpoint: Running, with the bucket `BUCKET`.
        folder: For bodies and logs.
    """

    def __init__(self, endpoint: Endpoint, folder: Path) -> None:
        oss_v2 = Driver(python_command("oss_v2_driver"), folder)
        self._drivers = {
            "oss2": Driver(python_command("oss2_driver"), folder),
            "oss-v2": oss_v2,
            "Go 1": Driver([str(GO_BIN / "sdk1")], folder),
            "Go 1 + manager": Driver([str(GO_BIN / "sdk1")], folder, manager=True),
            "Go 2": Driver([str(GO_BIN / "sdk2")], folder),
            "Java 1": Driver(java_command("JavaV1"), folder),
        }
        self.peers: dict[str, Peer] = {matrix.OURS: Ours(), **self._drivers}
        self.client = Client(
            endpoint.url,
            endpoint.access_key_id,
            endpoint.access_key_secret,
            endpoint.region,
            BUCKET,
        )
        self.first = Key.make(matrix.DEFAULT)
        self.second = Key.make()
        oss_v2.keep_versions(self.writing(Written(0)))
        self._written: dict[str, dict[Written, str]] = {}
        self._unwritten: dict[tuple[str, Written], str] = {}
        self._outcomes: dict[tuple[str, str, Case], str] = {}
        self._refusals: dict[tuple[str, str, Case], str] = {}

    def close(self) -> None:
        """End all drivers."""
        for driver in self._drivers.values():
            driver.close()

    @cached_property
    def recordings(self) -> Recordings:
        """The objects of SDKs that do not run here, put when they are first asked for."""
        return Recordings(self.client, self.peers)

    def writing(self, written: Written) -> Client:
        """Return the client that writes an object."""
        key = self.second if written.second_key else self.first
        if written.description != "default":
            key = key.labelled(DESCRIPTIONS[written.description])
        return replace(self.client, keys=(key,), signature="v4")

    def reading(self, case: Case) -> Client:
        """Return the client that reads a case."""
        (key,) = self.writing(case.written).keys
        keys: tuple[Key, ...] = (key,)
        if case.group == SECOND_KEY:
            other = self.second.labelled(DESCRIPTIONS["one entry"])
            keys = (self.first, key) if case.written.second_key else (key, other)
        return replace(self.client, keys=keys, signature="v1")

    def outcome(self, writer: str, reader: str, case: Case) -> str:
        """Try one cell, once: `OK`, `REFUSED`, `WRONG` or `NOT_WRITTEN`."""
        cell = (writer, reader, case)
        if cell not in self._outcomes:
            self._outcomes[cell] = self._tried(writer, reader, case)
        return self._outcomes[cell]

    def _tried(self, writer: str, reader: str, case: Case) -> str:
        version = self._objects(writer)[case.written]
        if version == NOT_WRITTEN:
            return NOT_WRITTEN
        try:
            data = self.peers[reader].get(
                self.reading(case),
                f"{writer}/{case.written.name}",
                span=case.span,
                version=version,
            )
        except RefusedError as error:
            self._refusals[writer, reader, case] = str(error)
            return REFUSED
        return OK if data == case.expected else WRONG

    def refusal(self, writer: str, reader: str, case: Case) -> str:
        """Return what the reader (or writer) said when it refused a cell."""
        unwritten = self._unwritten.get((writer, case.written), "")
        return self._refusals.get((writer, reader, case), unwritten)

    def stored_description(self, writer: str, written: Written) -> str:
        """Return the description of an object as the store has it, "" for none."""
        self._objects(writer)
        with open_ours(self.client) as bucket:
            envelope = bucket.head(f"{writer}/{written.name}").envelope
        assert envelope is not None
        return envelope.to_metadata().get("client-side-encryption-matdesc", "")

    def _objects(self, writer: str) -> dict[Written, str]:
        """Write all of a writer's objects, once; return the version to read of each, "" for any."""
        if writer not in self._written:
            objects = dict.fromkeys((case.written for case in CASES), "")
            for written in objects:
                try:
                    objects[written] = self._write(writer, written)
                except RefusedError as error:
                    objects[written] = NOT_WRITTEN
                    self._unwritten[writer, written] = str(error)
            self._written[writer] = objects
        return self._written[writer]

    def _write(self, writer: str, written: Written) -> str:
        peer, client = self.peers[writer], self.writing(written)
        if writer in V1_WRITERS:
            client = replace(client, signature="v1")
        name = f"{writer}/{written.name}"
        if written.part_size:
            peer.multipart(client, name, written.plaintext(), written.part_size)
        else:
            peer.put(client, name, written.plaintext())
        if not written.overwritten:
            return ""
        peer.put(client, name, written.plaintext(generation=2))
        return self._oldest(name)

    def _oldest(self, name: str) -> str:
        with open_ours(self.client) as bucket:
            versions = [version for version in bucket.versions(name) if version.name == name]
        return versions[-1].version_id
