"""A null class is learnt from padding, pixels without data and unlabelled pixels; no pixel of it is ignored."""

import json
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from gym.config.schema import AugmentConfig, DataConfig
from gym.core.errors import ConfigError
from gym.data.augment import augment
from gym.data.batches import SampleReader, ordered_batches, training_batches
from gym.data.build import open_or_build_dataset, plan_dataset
from gym.data.dataset import Dataset
from gym.data.gym_npz_writer import export_gym_npz
from gym.data.labels import IGNORE, LabelRule, remap_label
from gym.data.preparation import Preparation, prepare_scene
from gym.data.readers.base import RawScene
from gym.data.scaling import Scaling
from gym.data.split import Split
from gym.evaluation.baselines import draw_pixels
from gym.models.losses import frequency_weights
from tests.data.imagery import INSIDE, draw_image, npz_bytes, save_image, write_doodler, write_folder

# The classes of the published Landsat 8 table of Coast Train, in the order of their labels.
L8_CLASSES = (
    *("water", "whitewater", "sediment", "other_natural_terrain", "vegetated_surface", "agricultural"),
    *("development", "cloud", "nodata", "unusual", "unknown"),
)
STRONG = AugmentConfig(mode="offline", copies=2, zoom=0.2, rotation=90.0, shift_rows=0.3, shift_columns=0.3)


@pytest.fixture
def padded(tmp_path):
    """Three Doodler scenes of 20x40 pixels in frames of 32x48, with the null class before their own three classes."""
    source = write_doodler(tmp_path / "npz")
    config = replace(source.config, classes=["nothing", *source.config.classes], null_class="nothing")
    return open_or_build_dataset(config, tmp_path), source


def test_unlabelled_pixels_become_the_null_class():
    """Explicitly ignored values stay ignored, and only labelled pixels are counted."""
    labelled = np.array([[True, True, False, True]])
    rule = LabelRule(("nothing", "low", "high"), {1: 1, 2: 2}, ignored=(9,), unlabelled=0)

    label, counts = remap_label(np.array([[1, 2, 7, 9]], np.uint8), rule, "it", labelled=labelled)

    np.testing.assert_array_equal(label, [[1, 2, 0, IGNORE]])
    assert counts == {"1": {"low": 1}, "2": {"high": 1}, "9": {"": 1}}


@pytest.mark.parametrize("framing", ["fit", "tile", "resize"])
@pytest.mark.parametrize("unlabelled", [0, IGNORE])
def test_pixels_without_data_become_the_null_class(framing, unlabelled):
    """Each framed pixel that is 0 in every band has no other label, with any framing."""
    image, label = draw_image(0, size=(40, 64)), np.ones((40, 64), np.uint8)
    image[:9, :30] = 0
    preparation = Preparation((32, 48), framing, 0.0, Scaling(), ("red", "green", "blue"))
    rule = LabelRule(("nothing", "land"), unlabelled=unlabelled)

    prepared = prepare_scene("it", RawScene(image, label, None), preparation, rule)

    for pair in prepared.pairs:
        np.testing.assert_array_equal(pair.label, np.where(pair.image.any(axis=2), 1, unlabelled))


def test_padding_is_read_as_the_null_class_and_not_stored(padded):
    """The labels of the scene keep their order behind it."""
    dataset, source = padded

    for position, record in enumerate(dataset.manifest.pairs):
        label = dataset.read_label(position)
        np.testing.assert_array_equal(label[INSIDE], source.labels[record.name] + 1)
        assert (label == 0).sum() == 32 * 48 - 20 * 40
        assert dataset.unpadded_label(position).shape == (20, 40)
        np.testing.assert_array_equal(dataset.counts[position], np.bincount(label.ravel(), minlength=4))
    assert dataset.absent_classes == []
    assert Dataset(dataset.folder).manifest.null_class


def test_the_null_class_has_a_weight_by_frequency(padded):
    """Its padding counts."""
    dataset, _ = padded
    counts = dataset.counts.sum(axis=0)

    assert frequency_weights(counts)[0] == pytest.approx(3 * 32 * 48 / (4 * 3 * (32 * 48 - 20 * 40)))


def test_batches_hold_the_null_class(padded):
    """They equal what the dataset reads, and no pixel is ignored."""
    dataset, _ = padded
    ((images, labels),) = ordered_batches(dataset, [0, 1, 2], batch=3)

    for position in range(3):
        np.testing.assert_array_equal(images[position], dataset.read_image(position))
        np.testing.assert_array_equal(labels[position], dataset.read_label(position))
    assert IGNORE not in labels.numpy()


@pytest.mark.parametrize("mode", ["online", "offline"])
def test_what_augmentation_moves_into_the_frame_is_the_null_class(padded, mode):
    """It has no data, and all that has data keeps a class of its own."""
    dataset, _ = padded
    samples = [0, 1, 2] if mode == "online" else [3, 4, 5, 6, 7, 8]
    batches = training_batches(dataset, samples, replace(STRONG, mode=mode), batch=1, seed=1)

    for image, label in batches.take(8):
        np.testing.assert_array_equal(label == 0, ~image.numpy().any(axis=-1))
        assert (label.numpy() != IGNORE).all()


def test_ignored_values_stay_ignored_after_augmentation():
    """Only pixels from outside the frame get the padding's label."""
    image, label = np.ones((24, 40, 2), np.float32), np.full((24, 40), IGNORE, np.uint8)

    moved, changed = (x.numpy() for x in augment(image, label, STRONG, tf.constant([1, 2], tf.int64), padding=0))

    assert set(np.unique(changed)) == {0, IGNORE}
    np.testing.assert_array_equal(changed == 0, ~moved.any(axis=-1))


def test_baselines_see_padding_as_the_null_class(padded):
    """All pixels of the frame are drawn, if there are few."""
    dataset, _ = padded

    pixels = draw_pixels(dataset, [0, 1, 2], seed=0)

    np.testing.assert_array_equal(np.bincount(pixels.classes), dataset.counts.sum(axis=0))
    assert not pixels.values[pixels.classes == 0].any()


def test_an_export_for_the_original_program_has_the_null_class(padded, tmp_path):
    """Each pixel is 1 in exactly one layer, padding in the first."""
    dataset, _ = padded
    offline = AugmentConfig(mode="offline")
    export_gym_npz(dataset, Split([0, 1], [2]), offline, SampleReader(dataset, offline, 1), tmp_path / "out")

    for path in (tmp_path / "out").rglob("*.npz"):
        with np.load(path) as arrays:
            one_hot, image = arrays["arr_1"], arrays["arr_0"]
        np.testing.assert_array_equal(one_hot.sum(axis=-1), 1)
        np.testing.assert_array_equal(one_hot[..., 0], ~image.any(axis=-1))


def test_a_null_class_makes_another_dataset(tmp_path):
    """Without one, the fingerprint is that of earlier versions, whose manifests lack the key."""
    source = write_folder(tmp_path / "s")
    stores, downloads = tmp_path / "stores", tmp_path / "downloads"
    plain, null = (
        plan_dataset(replace(source.config, null_class=name), stores, downloads).fingerprint() for name in ("", "water")
    )
    dataset = open_or_build_dataset(source.config, tmp_path)
    manifest = json.loads((dataset.folder / "manifest.json").read_text())
    del manifest["null_class"]
    (dataset.folder / "manifest.json").write_text(json.dumps(manifest))

    assert plain != null
    assert not Dataset(dataset.folder).manifest.null_class


@pytest.mark.parametrize("order", [L8_CLASSES, L8_CLASSES[::-1]])
def test_coast_train_has_the_five_classes_of_the_papers_files(configure, tmp_path, order):
    """By name, REMAP_CLASSES keeps water, whitewater and sediment as 1, 2 and 3, and maps the other eight to 4."""
    scene = "duck_2014-01-04-15-36-14_L8_rgbr_ID2"
    values = np.arange(len(order)).repeat(2).reshape(2, -1)
    label = np.eye(len(order), dtype=np.uint8)[values]
    (tmp_path / f"{scene}.npz").write_bytes(
        npz_bytes(image=draw_image(0, size=values.shape), label=label, classes=np.array(order))
    )
    for kind in ("nir", "swir"):
        save_image(tmp_path / kind / f"{scene}.png", draw_image(1, 1, size=values.shape))
    config = configure(
        *("+experiment=paper_matrix_2022", f"data.archives=[{tmp_path}]", "data.size=32", "data.workers=1"),
        f"data.images=[{tmp_path / 'nir'},{tmp_path / 'swir'}]",
    ).data

    dataset = open_or_build_dataset(config, tmp_path / "out")

    named = {"water": 1, "whitewater": 2, "sediment": 3}
    np.testing.assert_array_equal(dataset.unpadded_label(0), np.vectorize(lambda at: named.get(order[at], 4))(values))
    assert (dataset.read_label(0) == 0).sum() == 32 * 32 - values.size
    assert dataset.manifest.classes == ["padding", "water", "whitewater", "sand", "other"]


@pytest.mark.parametrize(
    ("classes", "allowed"),
    [
        (["nothing", "water", "land"], True),
        (["Nothing", "water", "land"], True),
        (["water", "nothing", "land"], False),
        (["water", "land", "nothing"], False),
        (["water", "land"], False),
    ],
)
def test_the_null_class_must_be_the_first(configure, tmp_path, classes, allowed):
    """Otherwise padding would be learnt as water. The remedy of the message works."""
    source = write_doodler(tmp_path / "npz")
    given = [f"data.archives={source.config.archives}", "data=doodler", "data.null_class=nothing"]
    if allowed:
        assert configure(*given, f"data.classes=[{','.join(classes)}]").data.null_class == "nothing"
        return
    with pytest.raises(ConfigError, match=r"^data\.null_class=nothing must be the first of data\.classes, ") as refused:
        configure(*given, f"data.classes=[{','.join(classes)}]")
    message = str(refused.value)
    assert message.endswith(
        "which is water (labels that count from 0 then need data.remap={0:1,1:2}); use "
        "data.classes=[nothing,water,land]."
    )
    assert configure(*given, message.rpartition("use ")[2].rstrip(".")).data.classes == ["nothing", "water", "land"]


def test_synthetic_scenes_have_no_null_class(configure):
    """Their classes are known in advance."""
    with pytest.raises(ConfigError, match=r"^data\.null_class=water is used only with data\.kind=folder"):
        configure("data.null_class=water")
    assert DataConfig().null_class == ""
