"""Tables show few digits and sort by all of them; duplicates of a value are shown once."""

from dataclasses import replace

import numpy as np
import pytest

from gym.evaluation.bootstrap import Interval
from gym.reporting.page_tables import (
    Cell,
    build_table,
    legacy_rows,
    provenance_rows,
    score_cell,
    score_table,
    site_dice_table,
)
from tests.reporting.test_run_table import made_run

NAN = float("nan")
PROVENANCE = {
    "git_commit": "abc",
    "version.keras": "3.15",
    "machine": "m 2 cores",
    "attempt": "x",
    "mlflow.user": "me",
}


def shown(table):
    """The titles of a table and the texts of its rows."""
    return [column.title for column in table.columns], [[cell.text for cell in row.cells] for row in table.rows]


def test_text_columns_come_before_number_columns():
    """Numbers have the format of their column and sort by all digits; None is a dash that sorts last."""
    table = build_table(["site"], {"Dice": "{:.3f}", "pixels": "{:,}"}, [["duck", 2 / 3, 1234], ["elwha", None, 5]])

    assert [column.is_number for column in table.columns] == [False, True, True]
    assert shown(table) == (["site", "Dice", "pixels"], [["duck", "0.667", "1,234"], ["elwha", "-", "5"]])
    assert [[cell.value for cell in row.cells] for row in table.rows] == [
        ["duck", str(2 / 3), "1234"],
        ["elwha", "", "5"],
    ]


def test_a_score_is_shown_with_its_interval():
    """Large scores have one decimal; an unknown interval is left out, and an undefined score is a dash."""
    assert score_cell(Interval(0.5, 0.25, 0.75)) == Cell("0.500 (0.250 to 0.750)", "0.5")
    assert score_cell(Interval(12.345, NAN, NAN)).text == "12.3"
    assert score_cell(Interval(NAN, NAN, NAN)) == score_cell(None) == Cell("-", "")


def test_a_column_without_defined_scores_is_left_out():
    """Distances in metres are undefined for imagery that is not georeferenced."""
    nothing, something = Interval(NAN, NAN, NAN), Interval(1.0, 1.0, 1.0)

    table = score_table(
        "class",
        {"pixels": "distance, pixels", "metres": "distance, m"},
        {"a": {"pixels": something, "metres": nothing}, "b": {"pixels": nothing}},
    )

    assert shown(table) == (["class", "distance, pixels"], [["a", "1.000 (1.000 to 1.000)"], ["b", "-"]])


def test_dice_by_site_and_class_worked_out_by_hand():
    """Images of a site are summed before any ratio is taken; an absent class has no Dice."""
    matrices = np.array([[[8, 2], [0, 10]], [[4, 0], [2, 4]], [[6, 0], [0, 0]]], np.int64)
    run = replace(made_run([50] * 3, images=["a", "b", "c"]), matrices=matrices)
    north, south = [12 / 14, 14 / 16], 1.0
    everything = [36 / 40, 28 / 32]

    titles, rows = shown(site_dice_table(run, {"a": "north", "b": "north", "c": "south", "d": "elsewhere"}))

    assert titles == ["site", "scenes", "mean Dice", "Dice water", "Dice land"]
    assert rows == [
        ["north", "2", f"{np.mean(north):.3f}", *(f"{dice:.3f}" for dice in north)],
        ["south", "1", f"{south:.3f}", f"{south:.3f}", "-"],
        ["all sites", "3", f"{np.mean(everything):.3f}", *(f"{dice:.3f}" for dice in everything)],
    ]


def test_tiles_of_a_scene_count_as_one_scene():
    """Each site and all sites together count whole scenes."""
    run = made_run([60, 40, 50, 70], images=["a tile 1", "a tile 2", "b tile 1", "c"], scenes=["a", "a", "b", "c"])
    sites = {"a tile 1": "north", "a tile 2": "north", "b tile 1": "north", "c": "south"}

    _, rows = shown(site_dice_table(run, sites))

    assert [row[:2] for row in rows] == [["north", "2"], ["south", "1"], ["all sites", "3"]]


def test_dice_sorts_by_all_its_digits():
    """An undefined Dice has no value to sort by."""
    run = made_run([60, 40], images=["a", "b"])
    run.matrices[1] = [[7, 0], [0, 0]]

    north, south, _ = site_dice_table(run, {"a": "north", "b": "south"}).rows

    assert [cell.value for cell in south.cells] == ["south", "1", "1.0", "1.0", ""]
    assert float(north.cells[2].value) == pytest.approx(0.75)


@pytest.mark.parametrize("images", [[], ["a", "b"]])
def test_if_sites_are_unknown_the_logged_scores_are_shown(images):
    """They are the mean Dice of each site, without classes."""
    run = replace(made_run(), images=images)
    run.scores.update({"site_dice/south": 0.5, "site_dice/north": 0.75, "site_iou/north": 0.1, "dice": 0.6})

    titles, rows = shown(site_dice_table(run, {"a": "north"}))

    assert titles == ["site", "mean Dice"]
    assert rows == [["north", "0.750"], ["south", "0.500"], ["all sites", "0.600"]]


@pytest.mark.parametrize("sites", [{"a": "all", "b": "all"}, {}])
def test_a_single_site_has_no_row_for_all_sites(sites):
    """That row would repeat it."""
    run = made_run(images=["a", "b"])
    run.scores["site_dice/all"] = run.scores["dice"]

    _, rows = shown(site_dice_table(run, sites))

    assert [row[0] for row in rows] == ["all"]
    assert f"{run.scores['dice']:.3f}" in rows[0]


def test_legacy_numbers_are_shown_with_the_correct_scores():
    """The meaning says what is wrong with each number."""
    scores = {"iou": Interval(0.4, NAN, NAN), "kld": Interval(1.25, NAN, NAN)}

    rows = legacy_rows({"iou": 0.25, "kld_2022": 0.5}, scores)

    assert [row["original"] for row in rows] == ["0.250", "0.500"]
    assert [row["correct"] for row in rows] == ["0.400", "1.250"]
    assert "absent class counts as perfect" in rows[0]["meaning"]
    assert [list(row) for row in legacy_rows({"iou": 0.25})] == [["meaning", "original"]]


def test_common_provenance_is_listed_once():
    """Code and machine come first, then packages; other tags are left out."""
    rows = provenance_rows([PROVENANCE, PROVENANCE])

    assert rows == [("code commit", "abc"), ("machine", "m 2 cores"), ("keras", "3.15")]


def test_differing_provenance_is_listed_with_the_number_of_runs():
    """The most frequent value comes first; a run without a value is not counted."""
    runs = [PROVENANCE | {"precision": name} for name in ("float32", "mixed_bfloat16", "mixed_bfloat16")]

    assert ("precision", "mixed_bfloat16 (2 runs), float32 (1 run)") in provenance_rows([*runs, PROVENANCE, {}])


def test_without_runs_there_is_no_provenance():
    """MLflow may know none of the runs."""
    assert provenance_rows([]) == []
