"""Building or inspecting a dataset writes a report on it."""

import csv
import json
import re
from html import unescape

import numpy as np
import pytest
from matplotlib.image import imread
from PIL import Image

from gym.app import make_dataset as make_dataset_module
from gym.app.make_dataset import make_dataset
from gym.core.errors import DataError
from gym.data.build import open_or_build_dataset
from gym.data.dataset import Dataset


@pytest.fixture
def shore(tmp_path):
    """Overrides for six RGB images with labels 1 and 2; names have a space and an umlaut, one image is truncated."""
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


def open_only_dataset(outputs):
    """Open the only dataset in the outputs folder."""
    (manifest,) = (outputs / "stores").glob("*/manifest.json")
    return Dataset(manifest.parent)


def test_building_a_dataset_writes_a_complete_report(configure, shore, tmp_path, capsys):
    """The page embeds its pictures, and lists label values, classes and files left out with their reasons."""
    page = make_dataset(configure(*shore, name="make_dataset"))

    output = capsys.readouterr().out
    assert "5 pairs (4 training, 1 validation), 1 left out" in output
    assert len(open_only_dataset(tmp_path)) == 5
    assert re.search(rf"^dataset +{open_only_dataset(tmp_path).folder}$", output, re.MULTILINE)
    assert page.parent.parent == tmp_path / "reports"
    assert re.fullmatch(rf"{open_only_dataset(tmp_path).folder.name}-[0-9a-f]{{8}}", page.parent.name)
    text = page.read_text(encoding="utf-8")
    assert "Küste 5" in text
    assert "cannot be read as an image" in text
    assert re.search(r'<td data-value="1">1</td><td data-value="land">land</td><td [^>]*>[\d,]+</td>', text)
    assert str(open_only_dataset(tmp_path).folder) in text
    assert text.count("data:image/png;base64,") == 5
    assert "http" not in text
    for picture in page.parent.glob("*.png"):
        assert np.ptp(imread(picture)[..., :3]) > 0.5
    split = json.loads((page.parent / "split.json").read_text(encoding="utf-8"))
    assert sorted(split["training"] + split["validation"]) == [f"Küste {number}" for number in range(5)]
    assert (len(split["training"]), len(split["validation"]), split["test"]) == (4, 1, [])


def test_the_class_balance_adds_up(configure, shore, blank_pictures, tmp_path):
    """Pixels by side and by site sum to those of the dataset, and the shares of each side sum to one."""
    page = make_dataset(configure(*shore, name="make_dataset"))
    dataset = open_only_dataset(tmp_path)
    with (page.parent / "class_balance.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))

    for group in ("side", "site"):
        for position, name in enumerate(("land", "sea")):
            pixels = sum(int(row["pixels"]) for row in rows if (row["group"], row["class"]) == (group, name))
            assert pixels == dataset.counts[:, position].sum()
    sides = {row["name"] for row in rows if row["group"] == "side"}
    assert sides == {"training", "validation"}
    for side in sides:
        assert sum(float(row["share"]) for row in rows if row["name"] == side) == pytest.approx(1, abs=1e-5)


def test_inspecting_leaves_only_the_report(configure, shore, blank_pictures, tmp_path):
    """Neither a dataset nor a temporary folder remains."""
    page = make_dataset(configure(*shore, "inspect=true", name="make_dataset"))

    assert [path.name for path in tmp_path.iterdir() if path.name not in ("images", "labels")] == ["reports"]
    assert page.parent.name.startswith("inspected-folder-")
    text = page.read_text(encoding="utf-8")
    assert "<th>dataset</th>" not in text
    assert ".inspected-" not in text


@pytest.mark.parametrize(
    ("more", "obstacle"),
    [
        (
            ["data.scene_pattern='^(K)'"],
            "1 unit (K) cannot be split into training and validation, which need at least one unit each",
        ),
        (["split.by=site"], "1 unit (all) cannot be split into training and validation"),
        (["data.ignore_values=[1,2]", "data.remap=null"], "the training scenes have no labelled pixels"),
    ],
)
def test_inspecting_a_dataset_that_cannot_be_split_shows_all_pairs(
    configure, shore, blank_pictures, tmp_path, capsys, caplog, more, obstacle
):
    """The page and the log give the reason; building the dataset is refused with the same reason."""
    page = make_dataset(configure(*shore, "inspect=true", *more, name="make_dataset"))

    text = unescape(page.read_text(encoding="utf-8"))
    assert f"The dataset cannot be split, so all pairs are shown as training: {obstacle}" in text
    assert f"no split is possible: {obstacle}" in caplog.text
    assert "5 pairs (not split), 1 left out" in capsys.readouterr().out
    split = json.loads((page.parent / "split.json").read_text(encoding="utf-8"))
    assert (len(split["training"]), split["validation"], split["test"]) == (5, [], [])
    assert (page.parent / "pairs_training.png").exists()
    assert (page.parent / "class_balance.png").exists()
    with pytest.raises(DataError, match=re.escape(obstacle)):
        make_dataset(configure(*shore, *more, name="make_dataset"))


def test_downloads_of_an_inspection_are_reused(configure, shore, blank_pictures, tmp_path, monkeypatch):
    """Inspecting and building use the same folder of downloads."""
    calls = []

    def record(config, outputs, downloads):
        calls.append((outputs, downloads))
        return open_or_build_dataset(config, outputs, downloads)

    monkeypatch.setattr(make_dataset_module, "open_or_build_dataset", record)
    for inspect in ("true", "false"):
        make_dataset(configure(*shore, f"inspect={inspect}", name="make_dataset"))

    assert [downloads for _, downloads in calls] == 2 * [tmp_path / "stores" / "downloads"]
    assert calls[0][0] != calls[1][0] == tmp_path


def test_inspecting_damaged_imagery_leaves_nothing(configure, shore, tmp_path):
    """With data.strict=true, the damaged image is an error, and the temporary dataset is removed."""
    with pytest.raises(
        DataError,
        match=r"1 of the inputs cannot be used \(first: Küste 5: .*\); correct them, or set " r"data\.strict=false\.",
    ):
        make_dataset(configure(*shore, "inspect=true", "data.strict=true", name="make_dataset"))

    assert not list(tmp_path.glob(".inspected-*"))


def test_another_split_or_augmentation_reuses_the_dataset(configure, shore, blank_pictures, tmp_path):
    """Neither affects the fingerprint of the dataset, by which training finds it as well."""
    make_dataset(configure(*shore, name="make_dataset"))
    before = (open_only_dataset(tmp_path).folder / "manifest.json").stat().st_mtime_ns

    make_dataset(configure(*shore, "split.seed=3", "augment=strong", name="make_dataset"))

    assert (open_only_dataset(tmp_path).folder / "manifest.json").stat().st_mtime_ns == before


@pytest.mark.parametrize("other", ["split.seed=3", "augment=paper", "seed=1"])
def test_another_split_keeps_report_and_export_of_the_first(configure, shore, blank_pictures, tmp_path, other):
    """Each configuration has its own folders, and repeating one replaces only those."""
    first = make_dataset(configure(*shore, "export=gym_npz", name="make_dataset"))
    before = (first.parent / "split.json").stat().st_mtime_ns
    second = make_dataset(configure(*shore, "export=gym_npz", other, name="make_dataset"))
    again = make_dataset(configure(*shore, "export=gym_npz", other, name="make_dataset"))

    assert first != second == again
    assert (first.parent / "split.json").stat().st_mtime_ns == before
    for kind in ("reports", "exports"):
        assert {path.name for path in (tmp_path / kind).iterdir()} == {first.parent.name, second.parent.name}


@pytest.mark.parametrize(("kind", "more"), [("reports", ["inspect=true"]), ("reports", []), ("exports", [])])
def test_an_unwritable_folder_is_refused_in_one_line(configure, shore, tmp_path, kind, more):
    """A file is in its place; the error names the folder and the remedy."""
    (tmp_path / kind).write_text("")
    with pytest.raises(
        DataError,
        match=rf"^{tmp_path}/{kind}/\S+ cannot be written \(.*; check its permissions and free space, or set out",
    ):
        make_dataset(configure(*shore, *([] if more else ["export=gym_npz"]), *more, name="make_dataset"))

    assert not list(tmp_path.glob(".inspected-*"))


@pytest.mark.parametrize("more", [["inspect=true"], []])
def test_outputs_that_are_a_file_are_refused_in_one_line(configure, shore, tmp_path, more):
    """Building and inspecting raise the same error."""
    (tmp_path / "taken").write_text("")
    with pytest.raises(
        DataError,
        match=rf"^{tmp_path}/taken\S* cannot be written \(.*; check its permissions and free space, or set outpu",
    ):
        make_dataset(configure(*shore, *more, f"outputs={tmp_path}/taken", name="make_dataset"))


def test_near_duplicates_are_searched_once(configure, shore, blank_pictures, monkeypatch):
    """The search takes time quadratic in the number of images."""
    calls = []
    monkeypatch.setattr(make_dataset_module, "find_near_duplicates", lambda *given: calls.append(given) or [])

    make_dataset(configure(*shore, name="make_dataset"))

    assert len(calls) == 1


def test_exporting_prints_the_folder_and_the_number_of_files(configure, shore, blank_pictures, capsys):
    """The files for the original program are in a folder below ``exports/``."""
    make_dataset(configure(*shore, "export=gym_npz", "augment=paper", name="make_dataset"))

    found = re.search(r"export  (\S+) \((\d+) files\)", capsys.readouterr().out)
    assert int(found.group(2)) == 4 + 4 * 5 + 1
