"""Scores by site and class, from the confusion matrices of the images."""

from dataclasses import replace

import numpy as np
import pytest

from gym.reporting.page_tables import site_table
from tests.reporting.test_run_table import made_run


def shown(table):
    """Titles and texts."""
    rows = [[cell["shown"] for cell in row["cells"]] for row in table.rows]
    return [column["title"] for column in table.columns], rows


def test_dice_by_site_and_class_by_hand():
    """Images of one site are added up before any ratio is taken; a class that is not there has no Dice."""
    matrices = np.array([[[8, 2], [0, 10]], [[4, 0], [2, 4]], [[6, 0], [0, 0]]], np.int64)
    run = replace(made_run([50] * 3, images=["a", "b", "c"]), matrices=matrices)
    north, south = [12 / 14, 14 / 16], 1.0
    everything = [36 / 40, 28 / 32]

    titles, rows = shown(site_table(run, {"a": "north", "b": "north", "c": "south", "d": "elsewhere"}))

    assert titles == ["site", "scenes", "mean Dice", "Dice water", "Dice land"]
    assert rows == [
        ["north", "2", f"{np.mean(north):.3f}", *(f"{dice:.3f}" for dice in north)],
        ["south", "1", f"{south:.3f}", f"{south:.3f}", "-"],
        ["all sites", "3", f"{np.mean(everything):.3f}", *(f"{dice:.3f}" for dice in everything)],
    ]


def test_tiles_of_a_scene_are_one_scene():
    """At each site, and at all."""
    run = made_run([60, 40, 50, 70], images=["a tile 1", "a tile 2", "b tile 1", "c"], scenes=["a", "a", "b", "c"])

    _, rows = shown(site_table(run, {"a tile 1": "north", "a tile 2": "north", "b tile 1": "north", "c": "south"}))

    assert [row[:2] for row in rows] == [["north", "2"], ["south", "1"], ["all sites", "3"]]


def test_numbers_sort_by_all_their_digits():
    """And what is not there by nothing."""
    run = made_run([60, 40], images=["a", "b"])
    run.matrices[1] = [[7, 0], [0, 0]]

    _, south, _ = site_table(run, {"a": "north", "b": "south"}).rows
    north, *_ = site_table(run, {"a": "north", "b": "south"}).rows

    assert [cell["value"] for cell in south["cells"]] == ["south", "1", "1.0", "1.0", ""]
    assert float(north["cells"][2]["value"]) == pytest.approx(0.75)


@pytest.mark.parametrize("images", [[], ["a", "b"]])
def test_where_sites_are_not_known_the_logged_scores_are_shown(images):
    """The mean Dice of each site, and no class."""
    run = replace(made_run(), images=images)
    run.scores.update({"site_dice/south": 0.5, "site_dice/north": 0.75, "site_iou/north": 0.1, "dice": 0.6})

    titles, rows = shown(site_table(run, {"a": "north"}))

    assert titles == ["site", "mean Dice"]
    assert rows == [["north", "0.750"], ["south", "0.500"], ["all sites", "0.600"]]


@pytest.mark.parametrize("sites", [{"a": "all", "b": "all"}, {}])
def test_one_site_stands_alone(sites):
    """All sites together would say the same."""
    run = made_run(images=["a", "b"])
    run.scores["site_dice/all"] = run.scores["dice"]

    _, rows = shown(site_table(run, sites))

    assert [row[0] for row in rows] == ["all"]
    assert f"{run.scores['dice']:.3f}" in rows[0]
