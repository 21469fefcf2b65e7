"""A data set is made or only looked at, and its report tells what a user must know."""

import csv
import json
import re

import numpy as np
import pytest
from matplotlib.image import imread
from PIL import Image

from gym.data.labels import LabelRule
from gym.data.store import Store
from gym.dataset import make_dataset
from gym.errors import DataError
from gym.reporting.dataset_report import becomes, spread


@pytest.fixture
def shore(tmp_path):
    """Six RGB pictures with labels 1 and 2 in names with a blank and an umlaut; one picture is cut short."""
    rng = np.random.default_rng(0)
    for kind in ("images", "labels"):
        (tmp_path / kind).mkdir()
    for number in range(6):
        image = rng.integers(1, 255, (32, 48, 3), np.uint8)
        Image.fromarray(image).save(tmp_path / "images" / f"Küste {number}.png")
        Image.fromarray(1 + (image[..., 0] > 128).astype(np.uint8)).save(tmp_path / "labels" / f"Küste {number}.png")
    broken = tmp_path / "images" / "Küste 5.png"
    broken.write_bytes(broken.read_bytes()[:900])
    return [
        "data=folder",
        f"data.images=[{tmp_path}/images]",
        f"data.labels={tmp_path}/labels",
        "data.classes=[land,sea]",
        "data.remap={1:0,2:1}",
        "data.size=32",
    ]


def test_a_made_data_set_has_a_store_and_a_whole_report(configure, shore, tmp_path, capsys):
    """Pictures, tables, left-out files with reasons, label values before and after; one page that holds it all."""
    page = make_dataset(configure(*shore, name="make_dataset"))

    said = capsys.readouterr().out
    assert "5 pairs (4 training, 1 validation), 1 left out" in said
    assert len(Store(page.parent.with_suffix(""))) == 5
    text = page.read_text(encoding="utf-8")
    assert "Küste 5" in text
    assert "cannot be read as an image" in text
    assert re.search(r"<td>1</td><td class=\"number\">[\d,]+</td><td>land</td>", text)
    assert text.count("data:image/png;base64,") == 5
    assert "http" not in text
    for picture in page.parent.glob("*.png"):
        assert np.ptp(imread(picture)[..., :3]) > 0.5
    split = json.loads((page.parent / "split.json").read_text(encoding="utf-8"))
    assert sorted(split["training"] + split["validation"]) == [f"Küste {number}" for number in range(5)]
    assert (len(split["training"]), len(split["validation"]), split["test"]) == (4, 1, [])


def test_the_class_balance_adds_up(configure, shore):
    """Pixels by side and by site are those of the store; shares of a side add to one."""
    page = make_dataset(configure(*shore, name="make_dataset"))
    store = Store(page.parent.with_suffix(""))
    with (page.parent / "class_balance.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))

    for group in ("side", "site"):
        for position, name in enumerate(("land", "sea")):
            pixels = sum(int(row["pixels"]) for row in rows if (row["group"], row["class"]) == (group, name))
            assert pixels == store.counts[:, position].sum()
    sides = {row["name"] for row in rows if row["group"] == "side"}
    assert sides == {"training", "validation"}
    for side in sides:
        assert sum(float(row["share"]) for row in rows if row["name"] == side) == pytest.approx(1, abs=1e-5)


def test_inspecting_keeps_nothing_but_the_report(configure, shore, tmp_path):
    """No store, no temporary folder; the page is there."""
    page = make_dataset(configure(*shore, "inspect=true", name="make_dataset"))

    assert page.is_file()
    assert page.is_relative_to(tmp_path / "inspections")
    assert not (tmp_path / "stores").exists()
    assert not list(tmp_path.glob(".inspected-*"))


def test_inspecting_bad_imagery_keeps_nothing_either(configure, shore, tmp_path):
    """With strict=true the damaged picture is an error, and the temporary store is gone."""
    with pytest.raises(DataError, match=r"1 left out, the first Küste 5: .* mend it, or set data\.strict=false\."):
        make_dataset(configure(*shore, "inspect=true", "data.strict=true", name="make_dataset"))

    assert not list(tmp_path.glob(".inspected-*"))


def test_a_made_data_set_is_what_training_opens(configure, shore, tmp_path):
    """The same keys lead to the same store, whichever verb asks."""
    page = make_dataset(configure(*shore, name="make_dataset"))
    before = (page.parent.with_suffix("") / "manifest.json").stat().st_mtime_ns

    make_dataset(configure(*shore, "split.seed=3", "augment=strong", name="make_dataset"))

    stores = [path for path in (tmp_path / "stores").iterdir() if (path / "manifest.json").exists()]
    assert [path.stat().st_mtime_ns for path in [stores[0] / "manifest.json"]] == [before]
    assert len(stores) == 1


def test_exporting_names_the_folder(configure, shore, capsys):
    """The original's files go under exports/, and the terminal says where and how many."""
    make_dataset(configure(*shore, "export=gym_npz", "augment=paper", name="make_dataset"))

    found = re.search(r"export  (\S+) \((\d+) files\)", capsys.readouterr().out)
    assert int(found.group(2)) == 4 + 4 * 5 + 1


def test_what_an_entry_of_a_label_file_becomes():
    """Values and names, mapped, ignored and plain."""
    rule = LabelRule(("land", "sea"), {7: 1, "surf": "sea"}, (255, "cloud"))

    assert [becomes(entry, rule) for entry in ("7", "255", "surf", "cloud", "Land", "9")] == [
        "sea",
        "counts nowhere",
        "sea",
        "counts nowhere",
        "land",
        "-",
    ]


@pytest.mark.parametrize(("count", "most", "picked"), [(3, 12, [0, 1, 2]), (9, 3, [0, 4, 8]), (1, 4, [0])])
def test_examples_are_spread_evenly(count, most, picked):
    """First and last are among them."""
    assert spread(range(count), most) == picked
