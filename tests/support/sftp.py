"""An SFTP server of paramiko's in this process, with one folder, and a client of it."""

from __future__ import annotations

# mypy: disable-error-code="misc, no-any-return"
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paramiko


class _Anybody(paramiko.ServerInterface):
    def check_auth_none(self, username: str) -> int:
        return paramiko.AUTH_SUCCESSFUL

    def get_allowed_auths(self, username: str) -> str:
        return "none"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED


def _files(folder: Path, before_read: Callable[[int], object]) -> type:
    class Handle(paramiko.SFTPHandle):
        def read(self, offset: int, length: int) -> Any:
            before_read(offset)
            return super().read(offset, length)

        def stat(self) -> Any:
            return paramiko.SFTPAttributes.from_stat(os.fstat(self.readfile.fileno()))

    class Files(paramiko.SFTPServerInterface):
        def open(self, path: str, flags: int, attr: object) -> Any:
            handle = Handle(flags)
            handle.readfile = (folder / path.lstrip("/")).open("rb")
            return handle

        def stat(self, path: str) -> Any:
            return paramiko.SFTPAttributes.from_stat((folder / path.lstrip("/")).stat())

        lstat = stat

    return Files


@contextmanager
def sftp(folder: Path, before_read: Callable[[int], object] = id) -> Iterator[Any]:
    """Serve a folder, and give a client.

    Args:
        folder: What is served.
        before_read: Called in the server with the offset of each read; an error ends the session.
    """
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client_end = socket.create_connection(listening.getsockname())
        server_end, _ = listening.accept()
    server = paramiko.Transport(server_end)
    server.add_server_key(paramiko.ECDSAKey.generate())
    server.set_subsystem_handler("sftp", paramiko.SFTPServer, sftp_si=_files(folder, before_read))
    begun = threading.Event()
    server.start_server(event=begun, server=_Anybody())
    client = paramiko.Transport(client_end)
    try:
        client.start_client(timeout=30)
        client.auth_none("anybody")
        yield paramiko.SFTPClient.from_transport(client)
    finally:
        client.close()
        server.close()
        client.join(30)
        server.join(30)
