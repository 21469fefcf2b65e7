"""The properties of model, data and training follow from the contents of a card."""

import pytest

from gym.reporting.card.descriptions import describe_data, describe_model, describe_training
from tests.reporting.card.made_up import made_card


@pytest.mark.parametrize(
    ("sides", "text"),
    [([10.0, 10.004], "about 10 m"), ([10.0, 30.0], "about 10 to 30 m"), ([], "unknown")],
)
def test_the_pixel_size_is_a_range(sides, text):
    """Two sizes that look the same are given once."""
    assert describe_data(made_card(data={"pixel_sides": sides}))["Pixel size"] == text


def test_dates_are_given_if_they_are_known():
    """A single date is given once."""
    assert "Dates" not in describe_data(made_card())
    assert describe_data(made_card(data={"dates": ["2020", "2021"]}))["Dates"] == "2020 to 2021"
    assert describe_data(made_card(data={"dates": ["2020", "2020"]}))["Dates"] == "2020"


@pytest.mark.parametrize(("size", "text"), [(128, "128 x 128"), ([96, 64], "96 x 64")])
def test_the_input_has_the_size_of_the_frame(size, text):
    """A square frame may be given as one number."""
    assert describe_model(made_card({"data.size": size}))["Input"].startswith(f"{text} pixels; ")


def test_without_augmentation_no_transform_is_listed():
    """Transforms of strength zero are left out."""
    still = dict.fromkeys(["augment.zoom", "augment.rotation", "augment.shift_rows", "augment.shift_columns"], 0.0)

    assert describe_training(made_card(still | {"augment.flip_horizontal": False}))["Augmentation"].endswith(": none")
