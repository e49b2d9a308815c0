"""The same script of calls on oss2 2.19.1 and on the layer, each between fresh endpoints.

Results, exceptions, response headers and what is on the store are compared; what may differ is in
``tests/oss2/allowed.py``.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from tests.interop.conftest import need
from tests.oss2.allowed import ALLOWED
from tests.oss2.recording import Record, differences
from tests.oss2.scene import LAYER, REAL, scene
from tests.oss2.script_many import many
from tests.oss2.script_objects import objects
from tests.support.peer_sdks import FORGETFUL, OLD_FASHIONED, forgotten_sockets_collected

pytestmark = [FORGETFUL, OLD_FASHIONED]


def played(name: str, folder: Path) -> Record:
    """Play the script."""
    with (
        pytest.MonkeyPatch.context() as patch,
        warnings.catch_warnings(),
        forgotten_sockets_collected(),
    ):
        warnings.simplefilter("ignore")  # the layer warns where oss2 keeps silent
        patch.setenv("CIPHERBUCKET_STATE", str(folder / "state"))
        with scene(name, folder, patch, folder / "tls") as there:
            record = Record(there)
            objects(record)
            many(record)
            record.stored()
    return record


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> tuple[Record, Record]:
    need("oss2")
    return (
        played(REAL, tmp_path_factory.mktemp("real")),
        played(LAYER, tmp_path_factory.mktemp("layer")),
    )


def test_every_difference_is_allowed(records: tuple[Record, Record]) -> None:
    told = [
        difference
        for difference in differences(*records)
        if not any(allowed.matches(*difference[:2]) for allowed in ALLOWED)
    ]
    assert not told, "\n".join(map(str, told))


def test_every_allowed_difference_occurs(records: tuple[Record, Record]) -> None:
    found = [difference[:2] for difference in differences(*records)]
    idle = [each for each in ALLOWED if not any(each.matches(*one) for one in found)]
    assert not idle


def test_the_script_is_long_and_the_same_for_both(records: tuple[Record, Record]) -> None:
    assert len(records[0].results) > 300
    called = [[label for label in each.results if "stored " not in label] for each in records]
    assert called[0] == called[1]


def test_the_comparison_sees_a_difference(records: tuple[Record, Record], tmp_path: Path) -> None:
    real = records[0]
    other = Record(real.scene, {label: dict(found) for label, found in real.results.items()})
    assert not differences(real, other)
    other.results["get none"] = {"raised": "KeyError"}
    other.results["put/bytes"] = {"returned": {"class": "PutObjectResult"}}
    told = {(label, path) for label, path, _, _ in differences(real, other)}
    assert ("get none", "raised") in told
    assert ("put/bytes", "returned.etag") in told
    assert all(label in {"get none", "put/bytes"} for label, _ in told)
