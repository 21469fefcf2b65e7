"""Run a test with and without tuned operations."""

import pytest

from gym.models.cpu_ops import use_tuning


@pytest.fixture(params=[True, False], ids=["tuned", "general"])
def tuning(request):
    """Use TensorFlow's tuned operations, or Keras' general ones."""
    use_tuning(request.param)
    return request.param
