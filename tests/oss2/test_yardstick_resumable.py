"""What the maintainers of oss2 check of resumable transfers, checked with tests of our own.

Their `tests/test_upload.py` and `tests/test_download.py` look at: files under and over the
threshold, one thread and more threads than parts; progress; going on after an interruption at the
start, in the middle and at the end; a file that changed since; an object that changed before and
while it comes; defaults that a program sets; that no temporary file is left. What they do to the
records of oss2 (fields missing or of a wrong type) has no counterpart: the journals are our own,
and are tested where they are made.

The interop tests run this class on oss2 itself, too.
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path
from typing import Any

import pytest
from tests.oss2.scene import Scene
from tests.oss2.test_yardstick_objects import Progress

from cipherbucket.server.faults import Faults

PART = 102_400
CONTENT = random.Random(13).randbytes(5 * PART + 100)


class BrokenOffError(Exception):
    """What a program raises from its own callback."""


class Breaks:
    """A callback that breaks a transfer off as soon as so many bytes are there."""

    def __init__(self, enough: int) -> None:
        self._enough = enough

    def __call__(self, consumed: int, total: int) -> None:
        if consumed >= self._enough:
            raise BrokenOffError


class TestResumable:
    @pytest.fixture(params=["rsa", "kms"])
    def bucket(self, request: pytest.FixtureRequest, layer: Scene) -> Any:
        return layer.bucket(layer.ali_kms() if request.param == "kms" else layer.rsa())

    @pytest.fixture
    def path(self, layer: Scene) -> Path:
        path = layer.folder / "file"
        path.write_bytes(CONTENT)
        return path

    @pytest.fixture
    def back(self, layer: Scene) -> Path:
        return layer.folder / "back" / "file"

    @pytest.fixture(autouse=True)
    def _folder(self, back: Path) -> None:
        back.parent.mkdir()

    @pytest.mark.parametrize("threads", [1, 3, 8])
    def test_there_and_back(
        self, bucket: Any, layer: Scene, path: Path, back: Path, threads: int
    ) -> None:
        up, down = Progress(), Progress()
        result = layer.module.resumable_upload(
            bucket,
            "o",
            str(path),
            multipart_threshold=2 * PART,
            part_size=PART,
            num_threads=threads,
            progress_callback=up if threads == 1 else None,
        )
        assert result.status == 200
        assert bucket.head_object("o").object_type == "Multipart"
        layer.module.resumable_download(
            bucket,
            "o",
            str(back),
            multiget_threshold=2 * PART,
            part_size=PART,
            num_threads=threads,
            progress_callback=down if threads == 1 else None,
        )
        assert back.read_bytes() == CONTENT
        assert [path.name for path in back.parent.iterdir()] == ["file"]
        if threads == 1:
            assert up.last == down.last == len(CONTENT)

    def test_under_the_threshold(self, bucket: Any, layer: Scene, path: Path, back: Path) -> None:
        layer.module.resumable_upload(bucket, "o", str(path), multipart_threshold=10 * PART)
        assert bucket.head_object("o").object_type == "Normal"
        layer.module.resumable_download(bucket, "o", str(back))
        assert back.read_bytes() == CONTENT

    def test_defaults_that_a_program_sets(
        self, bucket: Any, layer: Scene, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        defaults = layer.module.defaults
        monkeypatch.setattr(defaults, "multipart_threshold", PART)
        monkeypatch.setattr(defaults, "part_size", 2 * PART)
        layer.module.resumable_upload(bucket, "o", str(path))
        size = layer.metadata("o")["client-side-encryption-part-size"]
        assert size == str(2 * PART)

    @pytest.mark.parametrize("parts", [0, 2, 5])
    def test_an_upload_goes_on(self, bucket: Any, layer: Scene, path: Path, parts: int) -> None:
        options = {"multipart_threshold": PART, "part_size": PART, "num_threads": 1}
        with pytest.raises(BrokenOffError):
            layer.module.resumable_upload(
                bucket, "o", str(path), progress_callback=Breaks(parts * PART), **options
            )
        assert not bucket.object_exists("o")
        layer.module.resumable_upload(bucket, "o", str(path), **options)
        assert bucket.get_object("o").read() == CONTENT
        assert not list(layer.module.ObjectUploadIterator(bucket, "o"))

    @pytest.mark.parametrize("change", ["time", "size"])
    def test_an_upload_of_a_changed_file_begins_anew(
        self, bucket: Any, layer: Scene, path: Path, change: str
    ) -> None:
        options = {"multipart_threshold": PART, "part_size": PART, "num_threads": 1}
        with pytest.raises(BrokenOffError):
            layer.module.resumable_upload(
                bucket, "o", str(path), progress_callback=Breaks(2 * PART), **options
            )
        changed = CONTENT[::-1] if change == "time" else CONTENT[:-7]
        times = path.stat()
        path.write_bytes(changed)
        later = time.time() + 5 if change == "time" else times.st_mtime
        os.utime(path, (later, later))
        layer.module.resumable_upload(bucket, "o", str(path), **options)
        assert bucket.get_object("o").read() == changed

    @pytest.mark.parametrize("parts", [1, 3])
    def test_a_download_goes_on(self, bucket: Any, layer: Scene, back: Path, parts: int) -> None:
        bucket.put_object("o", CONTENT)
        options = {"multiget_threshold": 1, "part_size": PART, "num_threads": 1}
        with pytest.raises(BrokenOffError):
            layer.module.resumable_download(
                bucket, "o", str(back), progress_callback=Breaks(parts * PART), **options
            )
        assert not back.exists()
        layer.module.resumable_download(bucket, "o", str(back), **options)
        assert back.read_bytes() == CONTENT
        assert [path.name for path in back.parent.iterdir()] == ["file"]

    def test_an_object_that_changed_between(self, bucket: Any, layer: Scene, back: Path) -> None:
        bucket.put_object("o", CONTENT)
        options = {"multiget_threshold": 1, "part_size": PART, "num_threads": 1}
        with pytest.raises(BrokenOffError):
            layer.module.resumable_download(
                bucket, "o", str(back), progress_callback=Breaks(2 * PART), **options
            )
        bucket.put_object("o", CONTENT[::-1])
        layer.module.resumable_download(bucket, "o", str(back), **options)
        assert back.read_bytes() == CONTENT[::-1]

    def test_an_object_that_changes_meanwhile(
        self, bucket: Any, layer: Scene, back: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bucket.put_object("o", CONTENT)
        # Progress is not told of every range: they must take their time.
        slow = lambda _, method, *rest: ("slow", 0.15) if method == "GET" else (None, 0)  # noqa: E731
        monkeypatch.setattr(Faults, "next", slow)
        changed: list[bool] = []

        def change(consumed: int, total: int) -> None:
            if consumed >= 2 * PART and not changed:
                changed.append(True)
                layer.bucket().put_object("o", CONTENT[::-1])

        with pytest.raises(layer.part("exceptions").PreconditionFailed):
            layer.module.resumable_download(
                bucket,
                "o",
                str(back),
                multiget_threshold=1,
                part_size=PART,
                num_threads=1,
                progress_callback=change,
            )
        assert not back.exists()

    def test_an_answer_that_breaks_off(self, bucket: Any, layer: Scene, back: Path) -> None:
        bucket.put_object("o", CONTENT)
        with pytest.raises(Exception) as caught:
            bucket.get_object_to_file("o", str(back), headers={"x-cipherbucket-fault": "truncate"})
        assert layer.real or isinstance(caught.value, layer.part("exceptions").OssError)
        assert layer.real or not back.exists()
