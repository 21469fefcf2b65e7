"""What the tests of searches share."""

import pytest

from tests.sweeps.search.searching import hurried


@pytest.fixture
def quick_writes():
    """No test waits for the disk."""
    with hurried():
        yield
