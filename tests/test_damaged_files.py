"""Every reader refuses damaged files with an error of the program, quickly and in little memory."""

import json
import resource
import time
import zlib
from collections import Counter
from random import Random

import pytest

from gym.core.errors import GymError
from tests.mutations import damage_file
from tests.readers_table import READERS

_MOST_SECONDS, _MOST_BYTES = 10, 1 << 30


def read_damaged(name, folder, mutations):
    """Damage the file of a reader repeatedly; return how often it was read and refused."""
    case = READERS[name]
    path = case.write(folder)
    content, counts = path.read_bytes(), Counter({"several lines": 0})
    case.read(folder)  # without damage
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(mutations):
        damage_file(path, content, case.damage, Random(zlib.crc32(f"{name} {number}".encode())))
        started = time.perf_counter()
        try:
            case.read(folder)
            counts["read"] += 1
        except GymError as error:
            counts["refused"] += 1
            counts["several lines"] += len(str(error).splitlines()) != 1
        except Exception as error:
            raise AssertionError(f"mutation {number} of {name} raises {type(error).__name__}: {error}") from error
        counts["slowest, in ms"] = max(counts["slowest, in ms"], round(1000 * (time.perf_counter() - started)))
    grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    assert not counts.pop("several lines")
    assert counts["slowest, in ms"] < 1000 * _MOST_SECONDS
    assert grown < _MOST_BYTES
    return {**counts, "MB": grown >> 20}


@pytest.mark.parametrize("name", READERS)
def test_damaged_files_are_read_or_refused_in_one_line(name, tmp_path, caplog):
    """Thirty mutations of each file raise only the program's own errors."""
    assert read_damaged(name, tmp_path, 30)


@pytest.mark.drill
@pytest.mark.parametrize("name", READERS)
def test_a_thousand_mutations_of_each_file(name, tmp_path, capsys):
    """The counts are printed, by reader."""
    counts = read_damaged(name, tmp_path, 1000)

    with capsys.disabled():
        print(json.dumps({"reader": name, **counts}))  # noqa: T201 - the result of the drill
