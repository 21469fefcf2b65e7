"""Stores are found where they were made, and made anew when anything they depend on changes."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gym.data.build import open_or_build_store
from gym.data.labels import IGNORE
from gym.errors import DataError


def save(folder, name, values):
    folder.mkdir(exist_ok=True)
    Image.fromarray(values).save(folder / name)


@pytest.fixture
def shores(tmp_path):
    """Three RGB images of 20x40 with a NIR band set and labels 1 to 3."""
    rng = np.random.default_rng(0)
    for name in ("20200101-0", "20200101-1", "20210101-0"):
        save(tmp_path / "rgb", f"{name}.png", rng.integers(1, 255, (20, 40, 3), dtype=np.uint8))
        save(tmp_path / "nir", f"{name}.png", rng.integers(1, 255, (20, 40), dtype=np.uint8))
        save(tmp_path / "labels", f"{name}.png", rng.integers(1, 4, (20, 40), dtype=np.uint8))
    return tmp_path


def folder_overrides(root: Path, *more):
    return [
        "data=folder",
        f"data.images=[{root}/rgb,{root}/nir]",
        f"data.labels={root}/labels",
        "data.classes=[water,sand,other]",
        "data.remap={1:0,2:1,3:2}",
        "data.size=[32,48]",
        *more,
    ]


def test_a_synthetic_store_is_made_once(configure, tmp_path):
    """The second call finds the first one's files."""
    config = configure("data.scenes=3", "data.size=32").data

    first = open_or_build_store(config, tmp_path)
    made = (first.folder / "manifest.json").stat().st_mtime_ns
    second = open_or_build_store(config, tmp_path)

    assert second.folder == first.folder
    assert (second.folder / "manifest.json").stat().st_mtime_ns == made
    assert first.manifest.bands == ["red", "green", "blue", "nir", "swir"]


@pytest.mark.parametrize("override", ["data.seed=1", "data.sites=7", "data.scenes=4", "data.size=48"])
def test_another_synthetic_configuration_is_another_store(configure, tmp_path, override):
    """Every key that shapes the store is part of its name; the split is not."""
    base = ["data.scenes=3", "data.size=32"]
    first = open_or_build_store(configure(*base).data, tmp_path)

    assert open_or_build_store(configure(*base, override).data, tmp_path).folder != first.folder
    assert open_or_build_store(configure(*base, "data.split.seed=5").data, tmp_path).folder == first.folder


def test_band_sets_are_stacked_framed_and_remapped(configure, shores):
    """Four bands from two folders, padding around the scene, classes from the remap, the scene from the pattern."""
    config = configure(*folder_overrides(shores, "data.scene_pattern='^([0-9]{8})'", "data.bands=[r,g,b,n]")).data
    store = open_or_build_store(config, shores)

    assert store.shape == (32, 48, 4)
    assert store.manifest.bands == ["r", "g", "b", "n"]
    assert [record.scene for record in store.manifest.pairs] == ["20200101", "20200101", "20210101"]
    raw = np.asarray(Image.open(shores / "labels" / "20200101-0.png"))
    label = store.read_label(0)
    np.testing.assert_array_equal(label[6:26, 4:44], raw - 1)
    assert (label[:6] == IGNORE).all()
    nir = np.asarray(Image.open(shores / "nir" / "20200101-0.png"))
    np.testing.assert_array_equal(store.read_image(0)[6:26, 4:44, 3], nir)


def test_a_changed_file_makes_another_store(configure, shores):
    """A label corrected in place is seen."""
    config = configure(*folder_overrides(shores)).data
    first = open_or_build_store(config, shores)
    save(shores / "labels", "20200101-0.png", np.full((20, 40), 2, np.uint8))

    second = open_or_build_store(config, shores)

    assert second.folder != first.folder
    assert second.counts[0].tolist() == [0, 800, 0]


def test_a_bad_pair_is_left_out_with_its_reason(configure, shores, caplog):
    """The others are used, and both manifest and log say why."""
    save(shores / "labels", "20200101-0.png", np.ones((20, 41), np.uint8))
    (shores / "rgb" / "20210101-0.png").write_bytes(b"broken")
    save(shores / "rgb", "extra.png", np.zeros((4, 4, 3), np.uint8))

    store = open_or_build_store(configure(*folder_overrides(shores)).data, shores)

    assert [record.name for record in store.manifest.pairs] == ["20200101-1"]
    assert "is 20x41 and its image 20x40 pixels; sizes must agree" in store.manifest.left_out["20200101-0"]
    assert "cannot be read as an image" in store.manifest.left_out["20210101-0"]
    assert "no file of this stem" in store.manifest.left_out[str(shores / "rgb" / "extra.png")]
    assert "left out 20200101-0" in caplog.text


def test_one_band_count_in_all_images(configure, shores):
    """An image with fewer bands than the first is left out."""
    save(shores / "rgb", "20200101-1.png", np.ones((20, 40), np.uint8))

    store = open_or_build_store(configure(*folder_overrides(shores)).data, shores)

    assert "has 2 bands; the others have 4" in store.manifest.left_out["20200101-1"]


def test_band_names_must_fit_the_bands(configure, shores):
    """Four bands want four names."""
    with pytest.raises(DataError, match=r"data\.bands=\['r', 'g'\] must name the 4 bands of 20200101-0"):
        open_or_build_store(configure(*folder_overrides(shores, "data.bands=[r,g]")).data, shores)


def test_ignored_values_and_nodata_count_nowhere(configure, shores):
    """A listed label value, and pixels that are 0 in every band."""
    image = np.asarray(Image.open(shores / "rgb" / "20200101-0.png")).copy()
    nir = np.asarray(Image.open(shores / "nir" / "20200101-0.png")).copy()
    image[:5], nir[:5] = 0, 0
    save(shores / "rgb", "20200101-0.png", image)
    save(shores / "nir", "20200101-0.png", nir)

    overrides = folder_overrides(shores, "data.ignore_values=[3]", "data.remap={1:0,2:1}")
    label = open_or_build_store(configure(*overrides).data, shores).read_label(0)[6:26, 4:44]

    raw = np.asarray(Image.open(shores / "labels" / "20200101-0.png"))
    np.testing.assert_array_equal(label == IGNORE, (raw == 3) | (np.arange(20)[:, None] < 5))


def test_not_one_readable_image_is_refused(configure, shores):
    """With the first reason."""
    for path in (shores / "rgb").iterdir():
        path.write_bytes(b"broken")

    with pytest.raises(DataError, match=r"not one image can be read: .*cannot be read as an image"):
        open_or_build_store(configure(*folder_overrides(shores)).data, shores)


def test_two_builders_of_one_store_do_not_meet(configure, tmp_path):
    """The second waits, and then finds the first one's store instead of replacing it."""
    config = configure("data.scenes=30", "data.size=64").data
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: open_or_build_store(config, tmp_path), range(2))

    assert first.folder == second.folder
    assert [path.name for path in (tmp_path / "stores").iterdir() if path.is_dir()] == [first.folder.name]
