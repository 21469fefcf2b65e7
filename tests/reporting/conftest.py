"""Fixtures for tests of figures."""

import pytest
from PIL import Image

from gym.reporting.style import save_figure


@pytest.fixture
def saved_size(tmp_path):
    """Write a figure at 50 dots per inch and return the size of the picture."""

    def save(figure):
        save_figure(figure, tmp_path / "figure.png", dpi=50)
        with Image.open(tmp_path / "figure.png") as picture:
            return picture.size

    return save
