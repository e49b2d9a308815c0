"""An inventory where OSS writes it, of a bucket in OSS: a pass over it from end to end."""

from __future__ import annotations

import pytest
from tests.support.inventories import MANIFEST, lines_of, of_oss
from tests.support.rotation_scenes import Requests, key_for
from tests.support.served_oss import settings_of

import cipherbucket as cb
from cipherbucket.server import Endpoint


@pytest.mark.parametrize("format", ["oss", "sealed"])
def test_a_bucket_in_oss_is_rotated_by_its_inventory(format: str) -> None:  # noqa: A002
    old, new = key_for(format, "old"), key_for(format, "new")
    with Endpoint(buckets=["examplebucket", "inventories"]) as endpoint:
        settings = settings_of(endpoint)
        with (
            cb.open_bucket("oss://examplebucket", new, old, settings=settings) as bucket,
            cb.open_store("oss://inventories", settings) as store,
        ):
            writer = cb.open_bucket("oss://examplebucket", old, settings=settings)
            for name in ("a b+c", "ü/1", "ü/2"):
                writer.put(name, b"1")
            written = of_oss(lines_of(bucket.access.store, "examplebucket"))
            written.further["sourceBucket"] = "examplebucket"
            written.into(store)
            writer.delete("ü/2")
            requests = Requests(bucket.access.store)
            inventory = cb.read_inventory(MANIFEST, store)
            with cb.rotation.rewrap_all(bucket, entries=inventory) as report:
                assert (report.done.objects, report.skipped.objects) == (2, 1)
                assert not report.failed
            assert "GET" not in requests.names or format == "oss"
            assert all(cb.verify(bucket, name, key=new).size == 1 for name in ("a b+c", "ü/1"))
            writer.close()
