"""Tests of the export for the original program: its layout, and the same pairs when read back."""

import numpy as np
import pytest

from gym.config.schema import AugmentConfig, DataConfig
from gym.data.batches import SampleReader
from gym.data.build import open_or_build_dataset
from gym.data.gym_npz_writer import clip_to_bytes, export_gym_npz, stretch_to_bytes
from gym.data.labels import IGNORE
from gym.data.split import Split
from tests.conftest import TINY_CLASSES, make_scenes, make_tiny_dataset

ONLINE, OFFLINE = AugmentConfig(), AugmentConfig(mode="offline", copies=2)
NO_CHANGE = {"zoom": 0, "rotation": 0, "shift_rows": 0, "shift_columns": 0, "flip_horizontal": False}


@pytest.fixture(scope="module")
def byte_dataset(tmp_path_factory):
    """Six uint8 pairs, the first with an ignored corner."""
    scenes = {name: scene._replace(image=scene.image.astype(np.uint8)) for name, scene in make_scenes().items()}
    scenes["pair0"].label[:4, :4] = IGNORE
    return make_tiny_dataset(tmp_path_factory.mktemp("stores") / "bytes", scenes)


def test_each_side_has_its_folder_and_layout(byte_dataset, tmp_path):
    """Names, keys and one-hot labels are those of the original program; ignored pixels are 0 in every layer."""
    count = export_gym_npz(
        byte_dataset, Split([0, 1, 2], [3, 4], [5]), ONLINE, SampleReader(byte_dataset, ONLINE, 1), tmp_path / "out"
    )

    files = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.npz"))
    assert count == len(files) == 6
    assert files[0] == "test_data/test_npzs/pair5_noaug_nd_data_000000000.npz"
    assert files[-1] == "val_data/val_npzs/pair4_noaug_nd_data_000000001.npz"
    with np.load(tmp_path / "out" / "train_data" / "train_npzs" / "pair0_noaug_nd_data_000000000.npz") as arrays:
        assert set(arrays) == {"arr_0", "arr_1", "num_bands", "files"}
        np.testing.assert_array_equal(arrays["arr_0"], byte_dataset.read_image(0))
        assert (arrays["arr_1"].dtype, arrays["arr_1"].shape) == (np.uint8, (16, 32, 3))
        assert not arrays["arr_1"][:4, :4].any()
        counted = byte_dataset.read_label(0) != IGNORE
        np.testing.assert_array_equal(arrays["arr_1"].argmax(-1)[counted], byte_dataset.read_label(0)[counted])
        assert (int(arrays["num_bands"]), arrays["files"].tolist()) == (3, ["pair0"])


def test_exported_files_read_back_as_the_same_pairs(byte_dataset, tmp_path):
    """``data=gym_npz`` on all three folders reproduces images and labels exactly."""
    split = Split([0, 1, 2], [3, 4], [5])
    export_gym_npz(byte_dataset, split, ONLINE, SampleReader(byte_dataset, ONLINE, 1), tmp_path / "out")
    places = [str(tmp_path / "out" / f"{side}_data" / f"{side}_npzs") for side in ("train", "val", "test")]
    config = DataConfig(
        kind="gym_npz", archives=places, classes=list(TINY_CLASSES), size=[16, 32], drop_from_stem=["_noaug.*"]
    )

    back = open_or_build_dataset(config, tmp_path)

    assert [record.name for record in back.manifest.pairs] == [f"pair{number}" for number in range(6)]
    for position in range(6):
        np.testing.assert_array_equal(back.read_image(position), byte_dataset.read_image(position))
        np.testing.assert_array_equal(back.read_label(position), byte_dataset.read_label(position))


def test_offline_copies_are_exported_with_their_sources(byte_dataset, tmp_path):
    """There are two copies of each training pair, as in training, and none of validation pairs."""
    read = SampleReader(byte_dataset, OFFLINE, 1)

    assert export_gym_npz(byte_dataset, Split([0, 1], [2]), OFFLINE, read, tmp_path / "out") == 2 + 4 + 1

    copies = sorted((tmp_path / "out" / "train_data" / "train_npzs").glob("pair1_aug_*.npz"))
    with np.load(copies[0]) as arrays:
        image, _ = read(6 + 1)
        np.testing.assert_array_equal(arrays["arr_0"], np.rint(image))
    assert not list((tmp_path / "out" / "val_data").rglob("*_aug_*"))


def test_bytes_are_clipped_and_never_wrapped():
    """Bright pixels become 255 and dark ones 0, but a pixel with data keeps 1 in its largest band."""
    image = np.array([[[300.0, 255.4, -7.0], [-3.0, 0.2, 0.1], [-9.0, -2.0, -5.0], [0.0, 0.0, 0.0], [0.4, 8.6, 0.0]]])

    clipped = clip_to_bytes(image.astype(np.float32))

    np.testing.assert_array_equal(clipped[0], [[255, 255, 0], [0, 1, 0], [0, 1, 0], [0, 0, 0], [0, 9, 0]])
    assert clipped.dtype == np.uint8


def test_jittered_bytes_keep_their_order(byte_dataset, tmp_path):
    """Values beyond 0..255 stay bright or dark, and no pixel becomes nodata."""
    vivid = AugmentConfig(mode="offline", brightness=3.0, contrast=0.9, noise=0.5, **NO_CHANGE)
    read = SampleReader(byte_dataset, vivid, 1)
    export_gym_npz(byte_dataset, Split([0, 1, 2, 3, 4], [5]), vivid, read, tmp_path / "out")

    beyond = 0
    for position in range(5):
        image = np.asarray(read(6 + position)[0])
        (path,) = (tmp_path / "out" / "train_data" / "train_npzs").glob(f"pair{position}_aug_*.npz")
        with np.load(path) as arrays:
            np.testing.assert_allclose(arrays["arr_0"], np.clip(image, 0, 255), atol=1)
            assert arrays["arr_0"].any(axis=2).all()
        beyond += np.count_nonzero((image < 0) | (image > 255))
    assert beyond > 100


@pytest.mark.parametrize(("changes", "says"), [({}, True), ({"mode": "offline"}, False), (NO_CHANGE, False)])
def test_a_warning_explains_missing_copies(byte_dataset, tmp_path, caplog, changes, says):
    """Online changes cannot be exported; without changes, nothing is missing."""
    augment = AugmentConfig(**changes)
    export_gym_npz(byte_dataset, Split([0, 1], [2]), augment, SampleReader(byte_dataset, augment, 1), tmp_path / "out")

    warnings = [
        message
        for message in caplog.messages
        if "no augmented copies are written, because augment.mode=online" in message
    ]
    assert len(warnings) == says


def test_16_bit_values_are_stretched_and_never_wrapped(tiny_dataset):
    """Smallest and largest value of a band in the dataset become 1 and 255; nodata stays 0."""
    stretch = stretch_to_bytes(tiny_dataset)
    images = np.stack([tiny_dataset.read_image(position) for position in range(len(tiny_dataset))])
    low, high = (images.min(axis=(0, 1, 2)), images.max(axis=(0, 1, 2)))

    stretched = stretch(np.array([[low, high, 0 * low]]))

    np.testing.assert_array_equal(stretched[0], [[1, 1, 1], [255, 255, 255], [0, 0, 0]])
    brightest_last = np.argsort(images[0, ..., 0].ravel())
    assert (np.diff(stretch(images[0])[..., 0].ravel()[brightest_last].astype(int)) >= 0).all()
