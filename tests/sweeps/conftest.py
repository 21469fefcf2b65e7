"""Fixtures shared by the tests of sweeps and searches."""

import pytest

from tests.sweeps.search.searching import unsynced_writes


@pytest.fixture
def quick_writes():
    """Let databases skip syncing to disk."""
    with unsynced_writes():
        yield
