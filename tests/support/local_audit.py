"""What must be true of the folder of a directory store that nobody is working on."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

from cipherbucket.stores.local.files import Files
from cipherbucket.stores.local.store import LocalStore
from cipherbucket.stores.records import StoredObject


def stored_objects(store: LocalStore) -> dict[str, StoredObject]:
    """Return all the objects by name."""
    found, token = [], None
    while True:
        page = store.list(token=token)
        found += [store.head(entry.name) for entry in page.entries]
        token = page.token
        if token is None:
            return {stored.name: stored for stored in found}


def audit(root: Path) -> dict[str, StoredObject]:
    """Open a store, let it recover, and hold every file against the index and back.

    Returns:
        Its objects.
    """
    files = Files(root)
    with LocalStore(root) as store:
        objects = stored_objects(store)
        uploads = {upload.upload_id for upload in store.list_uploads()}
        for stored in objects.values():
            assert files.load_sidecar(stored.etag) == stored
            assert Path(files.body(stored.etag)).stat().st_size == stored.size
    etags = {stored.etag for stored in objects.values()}
    assert len(etags) == len(objects)
    in_folders = {path.name for path in Path(files.bodies.path).glob("*/*")}
    assert in_folders == etags | {f"{etag}.json" for etag in etags}
    assert files.markers.listed() == []
    assert files.part_folders() == uploads
    for path in root.rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path
    return objects


def query(root: Path, sql: str) -> list[tuple[object, ...]]:
    """Ask the index of a store directly."""
    with closing(sqlite3.connect(root / "index.sqlite")) as db:
        rows = db.execute(sql).fetchall()
        db.commit()
        return rows
