"""All baselines of a dataset: on pixels worked out by hand, on synthetic coasts, on real imagery."""

import numpy as np
import pytest

from gym.config.schema import DataConfig
from gym.core.errors import DataError
from gym.data.build import open_or_build_dataset
from gym.data.labels import IGNORE
from gym.data.readers.base import RawScene
from gym.evaluation import baselines, confusion
from gym.evaluation.baselines import draw_pixels, fit_baselines, fit_forest
from tests.conftest import make_scenes, make_tiny_dataset


@pytest.fixture(scope="module")
def coasts(tmp_path_factory):
    """Sixteen synthetic scenes, the first eight for training."""
    config = DataConfig(kind="synthetic", size=[32, 32], scenes=16, sites=8, seed=3, workers=1)
    return open_or_build_dataset(config, tmp_path_factory.mktemp("coasts"))


@pytest.fixture(scope="module")
def of_coasts(coasts):
    """The baselines fitted to the training scenes of the coasts."""
    return fit_baselines(coasts, range(8), seed=0)


def score(dataset, baselines, positions):
    """Compute confusion matrices by baseline; that of the water index has two classes, other and water."""
    matrices = dict.fromkeys(baselines.predict(dataset.unpadded_image(positions[0])), 0)
    for position in positions:
        truth, predicted = dataset.unpadded_label(position), baselines.predict(dataset.unpadded_image(position))
        is_water = np.where(truth == IGNORE, IGNORE, truth == baselines.water_class).astype(np.uint8)
        for name, labels in predicted.items():
            of_two = name == "water_index"
            classes = 2 if of_two else len(dataset.manifest.classes)
            matrices[name] += confusion.confusion_matrix(is_water if of_two else truth, labels, classes)
    return matrices


def test_two_kinds_of_pixels(tmp_path):
    """Dark and bright pixels belong to two classes; bands and classes rule out a water index."""
    scene = RawScene(np.full((4, 8, 3), 10, np.uint16), np.zeros((4, 8), np.uint8), None)
    scene.image[:, 5:], scene.label[:, 5:] = 200, 2

    baselines = fit_baselines(make_tiny_dataset(tmp_path / "dataset", {"pair": scene}, (4, 8)), [0], seed=0)
    predicted = baselines.predict(np.array([[[9, 9, 9], [210, 210, 210]]], np.uint16))

    assert {name: labels.tolist() for name, labels in predicted.items()} == {"majority": [[0, 0]], "forest": [[0, 2]]}
    assert {labels.dtype for labels in predicted.values()} == {np.dtype(np.uint8)}
    assert baselines.water_class is None
    assert baselines.descriptions == {
        "majority": "Predicts low everywhere, the class of 62% of the labelled training pixels.",
        "forest": "A random forest on the 3 bands of single pixels: 30 trees with a depth of at most 12, fitted to 32 "
        "labelled pixels of 1 training scene.",
        "water_index": "No water index: none of the classes low, middle, high is named water.",
    }


def test_only_labelled_pixels_of_the_training_side_are_used(tmp_path):
    """Class 2 fills the validation side and the ignored pixels, but is never predicted."""
    scenes = make_scenes(4)
    for scene in scenes.values():
        scene.image[:], scene.label[:] = 150, 1
    scenes["pair0"].image[:, :20], scenes["pair0"].label[:, :20] = 250, IGNORE
    for name in ("pair2", "pair3"):
        scenes[name].image[:], scenes[name].label[:] = 250, 2

    baselines = fit_baselines(make_tiny_dataset(tmp_path / "dataset", scenes), [0, 1], seed=0)

    for labels in baselines.predict(np.full((2, 2, 3), 250)).values():
        np.testing.assert_array_equal(labels, 1)


def test_copies_count_as_their_pair(tiny_dataset):
    """In a dataset of 6 pairs, samples 7, 13 and 1 are the same pair, which counts once."""
    image = tiny_dataset.read_image(2)
    plain, copied = (fit_baselines(tiny_dataset, training, seed=0) for training in ([1, 2], [6 + 2, 6 + 1, 12 + 1]))

    assert plain.majority == copied.majority
    assert plain.descriptions == copied.descriptions
    np.testing.assert_array_equal(plain.predict(image)["forest"], copied.predict(image)["forest"])
    np.testing.assert_array_equal(
        plain.forest.classifier.predict_proba(image.reshape(-1, 3)),
        copied.forest.classifier.predict_proba(image.reshape(-1, 3)),
    )


def test_the_seed_affects_both_the_pixels_and_the_forest(tiny_dataset, monkeypatch):
    """With more pixels than are drawn, changing either seed changes the forest."""
    monkeypatch.setattr(baselines, "MAX_PIXELS", 60)
    positions, bands = [1, 2, 4], tiny_dataset.read_image(0).reshape(-1, 3).astype(np.float32)

    def scores_of(forest):
        return forest.classifier.predict_proba(bands)

    def scores_with(of_pixels, of_forest):
        pixels = draw_pixels(tiny_dataset, positions, of_pixels)
        return scores_of(fit_forest(pixels.values, pixels.classes, of_forest))

    found = scores_of(fit_baselines(tiny_dataset, positions, seed=3).forest)

    np.testing.assert_array_equal(found, scores_with(3, 3))
    assert (found != scores_with(3, 0)).any()
    assert (found != scores_with(0, 3)).any()


def test_the_water_index_detects_the_water_class(coasts, of_coasts):
    """MNDWI is used, because there is a short-wave infrared band; whitewater is another class."""
    assert coasts.manifest.classes[of_coasts.water_class] == "water"
    assert of_coasts.descriptions["water_index"] == (
        "MNDWI = (green - swir) / (green + swir) above Otsu's threshold of the image is predicted as water; all other "
        "classes count as one."
    )
    predicted = of_coasts.predict(coasts.unpadded_image(9))["water_index"]
    assert set(np.unique(predicted)) == {0, 1}


def test_on_new_coasts_the_forest_beats_the_majority(coasts, of_coasts):
    """On scenes outside the training side, the water index is better than chance as well."""
    matrices = score(coasts, of_coasts, range(8, 16))

    assert confusion.mean_iou(matrices["forest"]) > confusion.mean_iou(matrices["majority"]) + 0.3
    assert confusion.class_iou(matrices["water_index"])[1] > 0.6


def test_spectral_indices_are_bands_like_any_other(tmp_path):
    """The forest uses five bands and NDMI; the water index uses the bands it is defined by."""
    config = DataConfig(kind="synthetic", size=[32, 32], scenes=2, indices=["NDMI"], workers=1)
    dataset = open_or_build_dataset(config, tmp_path)

    baselines = fit_baselines(dataset, [0], seed=0)

    assert baselines.bands == ("red", "green", "blue", "nir", "swir", "NDMI")
    assert "on the 6 bands of single pixels" in baselines.descriptions["forest"]
    image = dataset.read_image(1)
    has_data, green, swir = image.any(axis=2), image[..., 1], image[..., 4]
    index = np.divide(green - swir, green + swir, where=has_data, out=np.zeros((32, 32)))
    np.testing.assert_allclose(baselines.water_index.compute(image), index, rtol=1e-6)
    assert baselines.predict(image)["forest"].shape == (32, 32)


def test_values_scaled_by_percentiles_have_no_water_index(tmp_path):
    """The manifest names the scaling."""
    config = DataConfig(kind="synthetic", size=[32, 32], scenes=2, scaling="percentile", workers=1)
    dataset = open_or_build_dataset(config, tmp_path)

    baselines = fit_baselines(dataset, [0], seed=0)

    assert baselines.water_class is None
    assert "scaling=percentile" in baselines.descriptions["water_index"]
    assert set(baselines.predict(dataset.read_image(1))) == {"majority", "forest"}


@pytest.mark.parametrize("training", [[], [1], [1, 4]])
def test_a_training_side_without_labels_is_refused(tmp_path, training):
    """There is nothing to fit to; pair 1 and its copy 4 have no labelled pixel."""
    scenes = make_scenes(3)
    scenes["pair1"].label[:] = IGNORE
    dataset = make_tiny_dataset(tmp_path / "dataset", scenes)

    with pytest.raises(
        DataError,
        match=r"have no labelled pixels to fit baselines to; label more scenes, or change",
    ):
        fit_baselines(dataset, training, seed=0)


def test_an_image_with_a_different_number_of_bands_is_refused(tiny_dataset):
    """The error names both numbers and the bands."""
    baselines = fit_baselines(tiny_dataset, [0], seed=0)

    with pytest.raises(DataError, match=r"has 4 bands, but .* fitted to 3 \(a, b, c\); pass the same bands"):
        baselines.predict(np.zeros((2, 2, 4)))


def test_real_imagery_of_ocean_beach(real_data, tmp_path, monkeypatch):
    """The forest beats the majority on ten test dates, and NDWI finds nearly all water.

    Surf and, in some scenes, sand exceed its threshold, too.
    """
    monkeypatch.setattr("gym.evaluation.baselines.MAX_PIXELS", 6_000)  # enough for this, in a tenth of the time
    folder = real_data / "ocean_beach_s2"
    config = DataConfig(
        kind="folder",
        size=[160, 80],
        images=[str(folder / "images")],
        labels=str(folder / "labels"),
        bands=["red", "green", "blue", "nir"],
        classes=["water", "surf", "wet_sand", "dry_sand_and_land"],
        scene_pattern="^([0-9]{8})",
        workers=1,
    )
    dataset = open_or_build_dataset(config, tmp_path)
    baselines = fit_baselines(dataset, range(60), seed=0)

    matrices = score(dataset, baselines, range(60, 80))

    assert "of 30 training scenes" in baselines.descriptions["forest"]
    assert baselines.water_index.index.name == "NDWI"
    assert confusion.mean_iou(matrices["forest"]) > confusion.mean_iou(matrices["majority"]) + 0.3
    assert confusion.class_recall(matrices["water_index"])[1] > 0.9
