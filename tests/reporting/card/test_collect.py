"""The summary of the data agrees with the dataset."""

from dataclasses import replace

import numpy as np
import pytest

from gym.data.ground import pixel_size
from gym.data.split import Split
from gym.reporting.card.collect import find_dates, measure_pixels, summarize_data
from tests.conftest import TINY_CLASSES

SPLIT = Split(training=[0, 1, 2], validation=[4, 5])


def dated(dataset, *dates):
    """The records of a dataset with these dates; None removes the date."""
    return [
        replace(record, groups=record.groups | ({} if date is None else {"date": date}))
        for record, date in zip(dataset.manifest.pairs, dates, strict=False)
    ]


def placed(record, side, scene, crs="EPSG:32610"):
    """A record on a grid of square pixels."""
    grid = {"crs": crs, "transform": [side, 0.0, 5e5, 0.0, -side, 4e6]}
    return replace(record, grid=grid, groups=record.groups | {"scene": scene})


def test_classes_and_sides_are_counted(tiny_dataset):
    """Pixels are counted by class and side, images by site; pairs on no side are left out."""
    data = summarize_data(tiny_dataset, SPLIT, likeness=4)

    training, validation = tiny_dataset.counts[:3].sum(axis=0), tiny_dataset.counts[4:].sum(axis=0)
    assert [one.name for one in data.classes] == list(TINY_CLASSES)
    assert [one.pixels for one in data.classes] == [
        {"training": int(trains), "validation": int(validates)}
        for trains, validates in zip(training, validation, strict=True)
    ]
    assert [(side.name, side.images, side.scenes, side.sites) for side in data.sides] == [
        ("training", 3, 2, {"site0": 2, "site1": 1}),
        ("validation", 2, 1, {"site0": 1, "site1": 1}),
    ]
    assert (data.bands, data.dtype, data.fingerprint) == (["a", "b", "c"], "uint16", tiny_dataset.manifest.fingerprint)
    assert (data.pixel_sides, data.dates, data.left_out) == ([], [], 0)


def test_copies_of_an_image_count_once(tiny_dataset):
    """The paper's split has copies on both sides."""
    copies = summarize_data(tiny_dataset, Split([6, 12, 7], [18, 24, 8], []), likeness=4)
    once = summarize_data(tiny_dataset, Split([0, 1], [0, 2], []), likeness=4)

    assert (copies.classes, copies.sides) == (once.classes, once.sides)


def test_near_duplicates_are_counted(tiny_dataset):
    """All pairs on different sides are within 64 bits."""
    assert summarize_data(tiny_dataset, SPLIT, likeness=64).alike == 3 * 2


def test_the_first_and_the_last_date_are_found(tiny_dataset):
    """All images need a date in a format that sorts as text."""
    assert find_dates(dated(tiny_dataset, "2020-05-01", "2019-12-31", "2020-01-02")) == ["2019-12-31", "2020-05-01"]
    assert find_dates(dated(tiny_dataset, "2020", "2021-03")) == ["2020", "2021-03"]
    assert find_dates(dated(tiny_dataset, "2020-05-01", None)) == []
    assert find_dates(dated(tiny_dataset, "31.12.2019", "01.05.2020")) == []


def test_pixels_are_measured_on_the_ground(tiny_dataset):
    """The smallest and the largest side of georeferenced images are returned; a scene counts once."""
    first, second, third, *_ = tiny_dataset.manifest.pairs

    sides = measure_pixels([placed(first, 10.0, "a"), placed(second, 12.5, "b"), third])
    assert sides == pytest.approx([10.0, 12.5])
    assert measure_pixels([placed(first, 10.0, "a"), placed(second, 12.5, "a")]) == pytest.approx([12.5] * 2)
    assert measure_pixels([first, second]) == []


def test_at_most_a_hundred_scenes_are_measured(tiny_dataset, monkeypatch):
    """They are picked evenly from the first to the last."""
    record, seen = tiny_dataset.manifest.pairs[0], []
    monkeypatch.setattr("gym.reporting.card.collect.pixel_size", lambda of: seen.append(of) or pixel_size(of))

    sides = measure_pixels([placed(record, 10.0 + number, f"{number}") for number in range(1000)])
    assert len(seen) == 100
    assert sides == pytest.approx([10.0, 1009.0])
    assert len(np.unique([of.scene for of in seen])) == 100
