"""docs/interop.md says of each store what it does; what it says is tried here."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from tests.interop.page import PAGE, STORES, markdown
from tests.interop.stores_table import PROBES, outcome, versions
from tests.interop.toolchains import VERSITYGW
from tests.support.s3_servers import S3Server, moto, s3_settings
from tests.support.served_oss import settings_of

import cipherbucket as cb
from cipherbucket.server import Endpoint
from cipherbucket.stores.base import Store
from cipherbucket.stores.s3.store import S3Store

Open = Callable[[bool], Store]


@pytest.fixture
def stores(versity: S3Server, tmp_path: Path) -> Iterator[dict[str, Open]]:
    """Return what opens another empty store of each kind, with versions or without."""
    numbers = count()
    names = [f"bucket-{number}" for number in range(50)]
    with moto() as mocked, Endpoint(buckets=names) as endpoint:

        def of(server: S3Server) -> Open:
            return lambda versioned: S3Store(
                server.make_bucket(versioned=versioned), s3_settings(server, attempts=1)
            )

        def of_oss(versioned: bool) -> Store:
            name = f"bucket-{next(numbers)}"
            store = cb.open_store(f"oss://{name}", settings_of(endpoint))
            if versioned:
                keep_versions(store)
            return store

        yield {
            f"s3://, versitygw {VERSITYGW}": of(versity),
            "s3://, moto": of(mocked),
            "oss://, local endpoint": of_oss,
            "file://": lambda _: cb.open_store(f"file://{tmp_path}/{next(numbers)}"),
        }


def keep_versions(store: Store) -> None:
    from cipherbucket.stores.oss.store import OssStore

    assert isinstance(store, OssStore)
    body = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    store.client.request("PutBucketVersioning", "PUT", None, query={"versioning": ""}, body=body)


def test_the_page_says_what_stores_do(stores: dict[str, Open]) -> None:
    rows = []
    for what, probe in PROBES.items():
        row = [what]
        for opened in stores.values():
            with opened(probe is versions) as store:
                row.append(outcome(probe, store))
        rows.append(row)
    table = markdown(["what", *stores], rows)
    before, title, after = PAGE.read_text("utf-8").partition(STORES)
    start, end = after.index("| what |"), after.rindex(" |\n") + 3
    if os.environ.get("CIPHERBUCKET_WRITE_DOCS"):
        PAGE.write_text(before + title + after[:start] + table + after[end:], "utf-8")
        return
    assert after[start:end] == table, "CIPHERBUCKET_WRITE_DOCS=1 make interop rewrites it"
