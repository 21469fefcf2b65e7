"""The report on a dataset accounts for every label value, file and pair."""

import re
import shutil
from dataclasses import asdict, replace

import numpy as np
import pytest

from gym.config.schema import AugmentConfig, SplitConfig
from gym.core.files import write_json
from gym.data.batches import SampleReader
from gym.data.dataset import Dataset
from gym.data.near_duplicates import NearDuplicate
from gym.data.split import Split
from gym.reporting.dataset_page import (
    DatasetSplit,
    dataset_notes,
    dataset_properties,
    describe_split,
    label_table,
    sample_pixels,
    write_report,
)
from tests.reporting.test_page_tables import shown

WHOLE = DatasetSplit(Split([0, 1, 2, 3, 4, 5], []), SplitConfig(), [])


@pytest.fixture
def changed(tiny_dataset, tmp_path):
    """Change the manifest of a copy of the tiny dataset."""

    def change(**fields) -> Dataset:
        shutil.copytree(tiny_dataset.folder, tmp_path / "dataset")
        write_json(tmp_path / "dataset" / "manifest.json", asdict(replace(tiny_dataset.manifest, **fields)))
        return Dataset(tmp_path / "dataset")

    return change


def write(dataset, folder, config=None, near_duplicates=(), **options):
    """Write a report and return its page."""
    parts = DatasetSplit(Split([0, 1, 2], [3, 4], [5]), config or SplitConfig(), list(near_duplicates))
    page = write_report(folder, dataset, parts, SampleReader(dataset, AugmentConfig(), 1), [6, 7], **options)
    return page.read_text(encoding="utf-8")


def test_each_label_value_has_a_row_per_class(changed):
    """A value may mean different classes in different files; the row with most pixels comes first."""
    dataset = changed(label_counts={"1": {"low": 5, "high": 30}, "surf": {"": 20}})

    _, rows = shown(label_table(dataset))
    assert rows == [["1", "high", "30"], ["surf", "ignored", "20"], ["1", "low", "5"]]


def test_files_that_do_not_belong_to_the_dataset_are_not_missing(changed, tmp_path):
    """They have a table of their own, and no note warns of them."""
    page = write(changed(passed_over={"a_aug_0.npz": "an augmented copy"}), tmp_path / "report")

    assert "Every file of the dataset is used." in page
    assert re.search(r"<code>a_aug_0\.npz</code></td><td class=\"words\">an augmented copy</td>", page)
    assert "The reasons are listed below" not in page
    assert "Every file is used" not in page


def test_files_that_are_left_out_are_listed_with_their_reason(changed, tmp_path):
    """A note at the top counts them, and their names are escaped."""
    page = write(changed(left_out={"<b>.tif": "cut short"}), tmp_path / "report")

    assert "Files or scenes left out: 1. The reasons are listed below." in page
    assert '<code>&lt;b&gt;.tif</code></td><td class="words">cut short</td>' in page


def test_near_duplicates_are_listed(tiny_dataset, tmp_path):
    """They are listed with the number of bits in which they differ."""
    page = write(tiny_dataset, tmp_path / "report", near_duplicates=[NearDuplicate("pair0", "pair3", 2)])

    assert '<td>pair0</td><td>pair3</td><td class="number">2</td>' in page
    assert "Pairs of images whose perceptual hashes differ in at most 4 of 64 bits: 1." in page


def test_only_a_dataset_that_is_kept_has_a_folder(tiny_dataset, tmp_path):
    """The temporary folder of an inspected dataset is not named."""
    assert ("dataset", str(tiny_dataset.folder)) in dataset_properties(tiny_dataset, WHOLE, True)
    assert str(tiny_dataset.folder) not in write(tiny_dataset, tmp_path / "report", is_kept=False)


def test_a_dataset_that_cannot_be_split_has_a_note(tiny_dataset):
    """It gives the reason, replaces the note about a leak, and the split is none."""
    parts = WHOLE._replace(config=SplitConfig(method="paper"), obstacle="too few.")

    assert dataset_notes(tiny_dataset, parts) == [
        "The dataset cannot be split, so all pairs are shown as training: too few."
    ]
    assert ("split", "none") in dataset_properties(tiny_dataset, parts, True)
    assert dataset_notes(tiny_dataset, WHOLE) == []
    properties = dict(dataset_properties(tiny_dataset, WHOLE, True))
    assert properties["split"] == "random by scene: 0.25 for validation, 0 for test, seed 0"


def test_scenes_are_counted(tiny_dataset, changed):
    """Six pairs come from three scenes, or all from one."""
    assert ("pairs", "6 from 3 scenes") in dataset_properties(tiny_dataset, WHOLE, True)
    one = [replace(record, groups={"scene": "a", "site": "b"}) for record in tiny_dataset.manifest.pairs]
    assert ("pairs", "6 from 1 scene") in dataset_properties(changed(pairs=one), WHOLE, True)


@pytest.mark.parametrize(
    ("settings", "description"),
    [
        ({"by": "site", "test": 0.1}, "random by site: 0.25 for validation, 0.1 for test, seed 0"),
        (
            {"method": "kfold", "fold": 2, "seed": 3},
            "by scene: fold 2 of 5 (from 0) for validation, 0 for test, seed 3",
        ),
        (
            {"method": "leave_one_out", "by": "site", "held_out": "duck"},
            "site duck for test; 0.25 for validation of the other scenes, seed 0",
        ),
        ({"method": "given", "sides": "my/sides.csv"}, "as listed in my/sides.csv"),
        ({"method": "paper", "validation": 0.6}, "copies in the paper's order: 0.6 for validation"),
    ],
)
def test_a_split_is_described_by_the_settings_of_its_method(settings, description):
    """A given split depends neither on scenes nor on a seed."""
    assert describe_split(SplitConfig(**settings)) == description


def test_histograms_sample_pixels_with_data(changed):
    """Nodata is left out; each side has its own images, and the pixels are the same every time."""
    dataset = changed()
    emptied = np.load(dataset.images_path)
    emptied[: 16 * 32 * 3].reshape(16, 32, 3)[:, :16] = 0
    np.save(dataset.images_path, emptied)

    values = sample_pixels(dataset, Split([0], [1, 2]))

    assert list(values) == ["training", "validation"]
    assert values["training"].shape == (16 * 16, 3)
    assert values["training"].any(axis=1).all()
    assert values["validation"].shape == (2 * 16 * 32, 3)
    np.testing.assert_array_equal(values["training"], sample_pixels(dataset, Split([0], [1, 2]))["training"])


def test_part_of_the_training_side_is_mentioned():
    """The share of the training side that is used follows the split."""
    assert describe_split(SplitConfig(training_share=0.5)).endswith("; uses 0.5 of the training side")
