"""Data files of inventories with bytes changed and ends cut off: entries, or an error of ours."""

from __future__ import annotations

import gzip
import random

import pytest
from tests.support.counts import count
from tests.support.inventories import Line, of_s3

import cipherbucket as cb

_OF_CSV = b'"\n\r,%\x00\xff+ab1\\'


@pytest.mark.parametrize("kind", ["CSV", "Parquet"])
def test_a_damaged_file_is_an_error_of_ours(kind: str) -> None:
    written = of_s3(kind, [Line(f"folder/o {number}", size=number) for number in range(300)])
    ((name, good),) = written.data.items()
    draw = random.Random(kind)
    failed = 0
    for number in range(count(3000, 60)):
        lines = kind == "CSV" and number % 3 > 0
        damaged = bytearray(gzip.decompress(good) if lines else good)
        for _ in range(draw.choice([1, 1, 2, 5, 20])):
            # Parquet says at the end what is where.
            place = -1 - draw.randrange(600) if number % 2 else draw.randrange(len(damaged))
            damaged[place] = draw.choice(_OF_CSV) if lines else draw.randrange(256)
        del damaged[draw.choice([draw.randrange(len(damaged)), *[len(damaged)] * 9]) :]
        written.data[name] = gzip.compress(damaged, 1) if lines else bytes(damaged)
        try:
            for each in written.into(cb.MemoryStore()):
                assert isinstance(each, cb.Entry)
        except cb.IntegrityError:
            failed += 1
    assert failed > 10
