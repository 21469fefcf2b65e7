"""Fixtures shared by the tests of sweeps and searches."""

import pytest

from tests.sweeps.search.searching import hurried


@pytest.fixture
def quick_writes():
    """Let databases skip syncing to disk."""
    with hurried():
        yield
