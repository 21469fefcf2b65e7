"""The report of a dataset says of each label, file and split what became of it."""

import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

from gym.config.schema import AugmentConfig, SplitConfig
from gym.data.batches import SampleReader
from gym.data.dataset import Dataset, write_manifest
from gym.data.near_duplicates import NearDuplicate
from gym.data.split import Split
from gym.reporting.dataset_page import (
    Sides,
    list_facts,
    list_labels,
    list_notes,
    sample_pixels,
    spread,
    word_split,
    write_report,
)

WHOLE = Sides(Split([0, 1, 2, 3, 4, 5], []), SplitConfig(), [])


@pytest.fixture
def retold(tiny_dataset, tmp_path):
    """Change what the manifest of a copy of the tiny dataset says."""

    def change(**fields) -> Dataset:
        shutil.copytree(tiny_dataset.folder, tmp_path / "dataset")
        write_manifest(tmp_path / "dataset", replace(tiny_dataset.manifest, **fields))
        return Dataset(tmp_path / "dataset")

    return change


def write(dataset, folder, config=None, alike=(), **options):
    """Write a report; its page as text."""
    sides = Sides(Split([0, 1, 2], [3, 4], [5]), config or SplitConfig(), list(alike))
    page = write_report(folder, dataset, sides, SampleReader(dataset, AugmentConfig(), 1), [6, 7], **options)
    return page.read_text(encoding="utf-8")


def test_each_label_of_the_files_has_a_row_for_each_class_it_became(retold):
    """Files may name their classes in different orders, so that one value becomes two; most pixels come first."""
    dataset = retold(label_counts={"1": {"low": 5, "high": 30}, "surf": {"": 20}})

    assert [tuple(row.values()) for row in list_labels(dataset)] == [
        ("1", "high", 30),
        ("surf", "counts nowhere", 20),
        ("1", "low", 5),
    ]


def test_what_was_never_meant_to_be_here_is_no_loss(retold, tmp_path):
    """Files that are passed over have a table of their own, and no note warns of them."""
    page = write(retold(passed_over={"a_aug_0.npz": "an augmented copy"}), tmp_path / "report")

    assert "Nothing of what is meant to be here." in page
    assert re.search(r"<code>a_aug_0\.npz</code></td><td>an augmented copy</td>", page)
    assert "the reasons are below" not in page
    assert "every file is used" not in page


def test_what_is_left_out_is_told_with_its_reason(retold, tmp_path):
    """With a note on top, and names that cannot be mistaken for markup."""
    page = write(retold(left_out={"<b>.tif": "cut short"}), tmp_path / "report")

    assert "Files or scenes left out: 1; the reasons are below." in page
    assert "<code>&lt;b&gt;.tif</code></td><td>cut short</td>" in page


def test_images_that_look_alike_are_listed(tiny_dataset, tmp_path):
    """As they were found, with the bits in which they differ."""
    page = write(tiny_dataset, tmp_path / "report", alike=[NearDuplicate("pair0", "pair3", 2)])

    assert '<td>pair0</td><td>pair3</td><td class="number">2</td>' in page
    assert "Pairs that differ in at most 4 of 64 bits of their perceptual hashes: 1." in page


def test_the_folder_of_a_dataset_that_goes_away_is_not_named(tiny_dataset, tmp_path):
    """Of one that stays it is."""
    assert ("dataset", str(tiny_dataset.folder)) in list_facts(tiny_dataset, WHOLE, True)
    assert str(tiny_dataset.folder) not in write(tiny_dataset, tmp_path / "report", is_kept=False)


def test_a_dataset_that_cannot_be_split_is_told_with_its_reason(tiny_dataset):
    """In a note in the place of that of a leak, and no way of splitting is claimed; a split has no such note."""
    sides = WHOLE._replace(config=SplitConfig(method="paper"), obstacle="too few.")

    assert list_notes(tiny_dataset, sides) == [
        "No split is possible, so that all pairs are shown as training: too few."
    ]
    assert ("split", "none") in list_facts(tiny_dataset, sides, True)
    assert list_notes(tiny_dataset, WHOLE) == []
    assert ("split", "random by scene; 0.25 validate, 0 test, seed 0") in list_facts(tiny_dataset, WHOLE, True)


def test_scenes_are_counted_in_words(tiny_dataset, retold):
    """Six pairs of three scenes, or all of one."""
    assert ("pairs", "6 of 3 scenes") in list_facts(tiny_dataset, WHOLE, True)
    one = [replace(record, groups={"scene": "a", "site": "b"}) for record in tiny_dataset.manifest.pairs]
    assert ("pairs", "6 of 1 scene") in list_facts(retold(pairs=one), WHOLE, True)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"by": "site", "test": 0.1}, "random by site; 0.25 validate, 0.1 test, seed 0"),
        (
            {"method": "kfold", "fold": 2, "seed": 3},
            "fold 2 of 5 validates, from 0, by scene; 0 test, seed 3",
        ),
        (
            {"method": "leave_one_out", "by": "site", "held_out": "duck"},
            "the site duck tests; of the others 0.25 of the scenes validate, seed 0",
        ),
        ({"method": "given", "sides": "my/sides.csv"}, "as my/sides.csv says"),
        ({"method": "paper", "validation": 0.6}, "the paper's order of copies; 0.6 of them validate"),
    ],
)
def test_a_split_is_worded_with_what_its_method_heeds(settings, words):
    """A given split is by no scene and of no seed."""
    assert word_split(SplitConfig(**settings)) == words


def test_histograms_show_pixels_with_data_of_their_side(retold):
    """Nodata is no value; each side has its own images, and the same pixels each time."""
    dataset = retold()
    emptied = np.load(dataset.images_path)
    emptied[: 16 * 32 * 3].reshape(16, 32, 3)[:, :16] = 0
    np.save(dataset.images_path, emptied)

    values = sample_pixels(dataset, Split([0], [1, 2]))

    assert list(values) == ["training", "validation"]
    assert values["training"].shape == (16 * 16, 3)
    assert values["training"].any(axis=1).all()
    assert values["validation"].shape == (2 * 16 * 32, 3)
    np.testing.assert_array_equal(values["training"], sample_pixels(dataset, Split([0], [1, 2]))["training"])


@pytest.mark.parametrize(("count", "most", "picked"), [(3, 12, [0, 1, 2]), (9, 3, [0, 4, 8]), (1, 4, [0])])
def test_examples_are_spread_evenly(count, most, picked):
    """First and last are among them."""
    assert spread(range(count), most) == picked
