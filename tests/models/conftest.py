"""Both ways to compute a network."""

import pytest

from gym.models.cpu_ops import use_tuning


@pytest.fixture(params=[True, False], ids=["tuned", "general"])
def tuning(request):
    """TensorFlow's own operations, or Keras' general ones."""
    use_tuning(request.param)
    return request.param
