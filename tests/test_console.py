"""What is printed reads as a person would write it."""

import pytest

from gym.console import counted


@pytest.mark.parametrize(("number", "words"), [(0, "0 scenes"), (1, "1 scene"), (2, "2 scenes"), (11, "11 scenes")])
def test_only_one_is_singular(number, words):
    """None is plural too."""
    assert counted(number, "scene") == words
