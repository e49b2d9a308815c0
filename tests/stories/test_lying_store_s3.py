"""A store that lies by the protocol of S3: each verb fails, or does what it is to do.

The lies are those to OSS, and a few about what S3 alone has; the rule is that of `lied_to`.
"""

from __future__ import annotations

import pytest
from tests.stories.test_lying_store_library import VERBS, library, seen
from tests.support.honest_s3 import LIES as OF_S3
from tests.support.lying_ground import PART, S3, Ground, Scene, lay_ground
from tests.support.lying_table import LIES, Table, lies, wrong_with

import cipherbucket as cb

_OF_OSS = {"open a URL", "copy in parts", "restore"}


def copied_in_parts(bucket: cb.Bucket, _: Scene) -> object:
    patch = pytest.MonkeyPatch()
    for limit in ("_LARGEST", "_PART"):
        patch.setattr(f"cipherbucket.stores.s3.copying.{limit}", PART)
    return seen(bucket.copy("p/large", "p/copy"))


S3_VERBS = [
    *(verb for verb in VERBS if verb.name not in _OF_OSS),
    library("copy in parts", copied_in_parts),
]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    ground: Ground = lay_ground(tmp_path_factory.mktemp("ground"), S3)
    return Table(ground, S3_VERBS, tmp_path_factory.mktemp("s3"), [*LIES, *OF_S3])


@pytest.mark.parametrize("lie", lies(1))
def test_a_lie_by_s3_leads_nowhere(table: Table, lie: int) -> None:
    assert wrong_with(table, lie) == []


@pytest.mark.parametrize("number", range(len(OF_S3)), ids=lambda number: OF_S3[number].name)
def test_a_lie_about_what_s3_alone_has(table: Table, number: int) -> None:
    assert wrong_with(table, len(LIES) + number) == []
