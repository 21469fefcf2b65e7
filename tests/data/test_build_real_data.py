"""Tests of datasets built from real imagery."""

import numpy as np
import pytest

from gym.data.build import open_or_build_dataset
from gym.data.labels import IGNORE
from gym.data.readers.raster import read_image, read_label


def test_a_dataset_is_built_from_published_jpeg_folders(configure, real_data, tmp_path):
    """Two band sets and labels keep their original names, and JPEG artefacts at class borders are ignored."""
    original = real_data / "ocean_beach_s2" / "original_jpeg"
    (tmp_path / "nir").mkdir()
    for path in sorted((original / "nir").iterdir())[:6]:
        (tmp_path / "nir" / path.name.replace("T10SEG-", "T10SEG_ir-")).symlink_to(path)
    config = configure(
        "data=folder",
        f"data.images=[{original}/images,{tmp_path}/nir]",
        f"data.labels={original}/labels",
        "data.classes=[water,surf,wet,dry]",
        "data.remap={1:water,2:surf,3:wet,4:dry}",
        "data.ignore_values=[0,5]",
        "data.drop_from_stem=[_ir]",
        "data.scene_pattern='^([0-9]{8})'",
        "data.size=[160,96]",
        "data.workers=1",
    ).data

    made = open_or_build_dataset(config, tmp_path)

    assert len(made) == 6
    assert len({record.scene for record in made.manifest.pairs}) == 3
    assert len(made.manifest.left_out) == 2 * (80 - 6)
    for position, record in enumerate(made.manifest.pairs):
        rgb = read_image(original / "images" / f"{record.name}.jpg").values
        nir = read_image(original / "nir" / f"{record.name}.jpg").values
        label = read_label(original / "labels" / f"{record.name}.jpg").values
        rows, columns = rgb.shape[:2]
        inside = np.s_[(160 - rows) // 2 :, (96 - columns) // 2 :]
        image, classes = made.read_image(position)[inside], made.read_label(position)[inside]
        np.testing.assert_array_equal(image[:rows, :columns], np.concatenate([rgb, nir], axis=2))
        expected = np.where((label == 0) | (label == 5) | ~(rgb.any(axis=2) | nir.any(axis=2)), IGNORE, label - 1)
        np.testing.assert_array_equal(classes[:rows, :columns], expected)
    assert set(made.manifest.label_counts) == {"0", "1", "2", "3", "4", "5"}


def test_real_doodler_files_are_remapped_by_name(configure, real_data, tmp_path):
    """Three names map to one class, and the same number means another class in another file."""
    config = configure(
        "data=doodler",
        f"data.archives=[{real_data}/doodler]",
        "data.classes=[water,surf,sand,ground]",
        "data.remap={dev:ground,land:ground,other:ground}",
        "data.size=512",
        "data.workers=1",
    ).data

    made = open_or_build_dataset(config, tmp_path)

    assert len(made) == 4
    assert set(made.manifest.label_counts) == {"water", "surf", "sand", "dev", "land", "other"}
    by_name = {record.name: position for position, record in enumerate(made.manifest.pairs)}
    meaning = {"water": 0, "surf": 1, "sand": 2, "dev": 3, "land": 3, "other": 3}
    for name in (name for name in by_name if not name.startswith("results2021-10-11")):
        with np.load(real_data / "doodler" / f"{name}.npz") as arrays:
            label, names = arrays["label"].argmax(axis=2), arrays["classes"]
            has_data = arrays["image"].any(axis=2)
        expected = np.where(has_data, np.array([meaning[str(one)] for one in names])[label], IGNORE)
        rows, columns = label.shape
        inside = made.read_label(by_name[name])[(512 - rows) // 2 :, (512 - columns) // 2 :]
        np.testing.assert_array_equal(inside[:rows, :columns], expected)
    shrunk = made.manifest.pairs[by_name["results2021-10-11-12-10__LC08_014035_20150215_lr_db_db"]]
    assert shrunk.placement == ((768, 768), (0, 0, 768, 768), (512, 512), (0, 0))


@pytest.fixture
def geotiff_scene(real_data, tmp_path):
    """A GeoTIFF of 13 signed 16-bit bands: overrides to read it, its image, and its label as classes."""
    folder = real_data / "geotiff"
    image = read_image(folder / "Spain_7370579_S2Hand.tif")
    label = read_label(folder / "Spain_7370579_LabelHand.tif").values
    for kind, file in (("images", "Spain_7370579_S2Hand.tif"), ("labels", "Spain_7370579_LabelHand.tif")):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "Spain_7370579.tif").symlink_to(folder / file)
    options = [
        "data=folder",
        f"data.images=[{tmp_path}/images]",
        f"data.labels={tmp_path}/labels",
        "data.classes=[dry,water]",
        "data.ignore_values=[-1]",
        "data.workers=1",
    ]
    return options, image, np.where(label == -1, IGNORE, label)


def test_a_real_scene_of_13_bands_keeps_every_value(configure, geotiff_scene, tmp_path):
    """Signed values and the grid are kept, and the label value -1 is ignored."""
    options, image, label = geotiff_scene
    made = open_or_build_dataset(configure(*options, "data.size=512").data, tmp_path)

    assert made.manifest.dtype == "<i2"
    np.testing.assert_array_equal(made.read_image(0), image.values)
    np.testing.assert_array_equal(made.read_label(0), label)
    assert made.manifest.label_counts == {"-1": {"": 99}, "0": {"dry": 192010}, "1": {"water": 70035}}
    assert made.counts.tolist() == [[192010, 70035]]
    record = made.manifest.pairs[0]
    assert record.grid == {"crs": "EPSG:4326", "transform": list(image.grid.transform)[:6]}
    assert record.nodata == "0.0"


def test_tiles_of_a_real_scene_hold_the_right_pixels(configure, geotiff_scene, tmp_path):
    """Four quarters, or nine tiles that overlap by half, hold the pixels of their window and the grid of the scene."""
    options, image, label = geotiff_scene
    for overlap, corners in ((0.0, (0, 256)), (0.5, (0, 128, 256))):
        config = configure(*options, "data.size=256", "data.framing=tile", f"data.overlap={overlap}").data
        made = open_or_build_dataset(config, tmp_path)

        windows = [(top, left) for top in corners for left in corners]
        assert len(made) == len(windows)
        for position, (top, left) in enumerate(windows):
            record = made.manifest.pairs[position]
            assert record.name == f"Spain_7370579 tile {position + 1}"
            assert record.scene == "Spain_7370579"
            assert record.placement == ((512, 512), (top, left, 256, 256), (256, 256), (0, 0))
            assert record.grid["transform"] == list(image.grid.transform)[:6]
            inside = np.s_[top : top + 256, left : left + 256]
            np.testing.assert_array_equal(made.read_image(position), image.values[inside])
            np.testing.assert_array_equal(made.read_label(position), label[inside])
