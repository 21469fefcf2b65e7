"""Tests of synthetic scenes: reproducible, correctly labelled, and not separable by single pixels."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy import ndimage
from sklearn.ensemble import RandomForestClassifier

from gym.core.errors import DataError
from gym.data.labels import IGNORE
from gym.data.readers import terrain
from gym.data.readers.synthetic import BANDS, CLASSES, SITES, draw_scene

WATER, WHITEWATER, SAND, OTHER = range(4)
EIGHT = np.ones((3, 3), bool)


@pytest.fixture(scope="module")
def scenes():
    """Forty scenes of 128x128 pixels, five dates of each site."""
    return [draw_scene(0, index, 128, 128) for index in range(40)]


def same(a, b):
    return a.name == b.name and a.image.tobytes() == b.image.tobytes() and a.label.tobytes() == b.label.tobytes()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**40), index=st.integers(0, 10**6), height=st.integers(32, 80), width=st.integers(32, 80))
def test_a_scene_of_any_size_is_as_documented(seed, index, height, width):
    """Size, types, classes and nodata are as documented, and drawing it again gives equal bytes."""
    scene = draw_scene(seed, index, height, width)
    nodata = scene.label == IGNORE

    np.testing.assert_array_equal(nodata, (scene.image == 0).all(axis=-1))
    np.testing.assert_array_equal(nodata, (scene.image == 0).any(axis=-1))
    assert not nodata.all()
    assert set(np.unique(scene.label)) <= {0, 1, 2, 3, IGNORE}
    assert (scene.image.shape, scene.image.dtype) == ((height, width, len(BANDS)), np.uint16)
    assert (scene.label.shape, scene.label.dtype) == ((height, width), np.uint8)
    assert same(scene, draw_scene(seed, index, height, width))


def test_a_scene_is_independent_of_other_draws():
    """Neither other scenes nor the global generator of NumPy change it, nor does it change them."""
    alone = draw_scene(5, 11, 48, 64)
    np.random.seed(3)  # noqa: NPY002 - the global generator is what must stay untouched
    expected = np.random.RandomState(3).random()
    forward = [draw_scene(5, index, 48, 64) for index in range(9, 13)]
    backward = [draw_scene(5, index, 48, 64) for index in range(12, 8, -1)]

    assert same(forward[2], alone)
    assert all(same(a, b) for a, b in zip(forward, backward[::-1], strict=True))
    assert np.random.random() == expected  # noqa: NPY002


@pytest.mark.parametrize("arguments", [(0, 0, 48, 64, 8), (3, 5, 64, 40, 8), (7, 10, 32, 32, 3)])
def test_a_scene_keeps_its_pixels_in_every_version(arguments):
    """A change of any pixel needs another version of the drawing, so that older datasets are not reused.

    The file holds image and label of `draw_scene` for each of these arguments, written with `numpy.savez_compressed`.
    Between processors, floating-point numbers differ in the last bit, which may round a value the other way.
    """
    scene = draw_scene(*arguments)
    key = "_".join(map(str, arguments))
    with np.load(Path(__file__).with_name("synthetic_scenes.npz")) as drawn:
        image, label = drawn[f"image_{key}"], drawn[f"label_{key}"]

    np.testing.assert_allclose(scene.image, image, rtol=0, atol=1)
    assert (scene.image != image).sum() <= 3
    assert_array_equal(scene.label, label)


def test_seed_and_index_both_change_a_scene():
    """Another seed or index gives another coast."""
    scene = draw_scene(0, 0, 48, 48)

    assert not np.array_equal(scene.label, draw_scene(1, 0, 48, 48).label)
    assert not np.array_equal(scene.label, draw_scene(0, 8, 48, 48).label)


@pytest.mark.parametrize("sites", [1, 3, 8])
def test_scenes_cycle_through_the_sites(sites):
    """The site is the index modulo the number of sites, and the name contains both."""
    for index in range(2 * sites):
        scene = draw_scene(0, index, 32, 32, sites)
        assert scene.site == SITES[index % sites]
        assert scene.name == f"{scene.site}_{index:04d}"


def test_the_number_of_sites_does_not_change_a_site():
    """Scene 2 is at the third site with three or eight sites, with equal bytes."""
    assert same(draw_scene(0, 2, 48, 48, sites=3), draw_scene(0, 2, 48, 48, sites=8))


def test_a_site_faces_the_same_sea_on_every_date(scenes):
    """The direction of the sea is constant for a site and differs between sites."""
    headings = {site: [] for site in SITES}
    for scene in scenes:
        rows, columns = np.indices(scene.label.shape)
        wet, dry = np.isin(scene.label, (WATER, WHITEWATER)), np.isin(scene.label, (SAND, OTHER))
        towards = complex(columns[wet].mean() - columns[dry].mean(), rows[wet].mean() - rows[dry].mean())
        headings[scene.site].append(towards / abs(towards))

    assert min(abs(np.mean(dates)) for dates in headings.values()) > 0.8
    assert abs(np.mean([np.mean(dates) for dates in headings.values()])) < 0.8


def test_class_frequencies_are_realistic(scenes):
    """Whitewater covers 1 to 4 % of the valid pixels, sand 5 to 12 %, and water and other each above 30 %."""
    labels = np.concatenate([scene.label[scene.label != IGNORE] for scene in scenes])
    shares = dict(zip(CLASSES, np.bincount(labels, minlength=4) / labels.size, strict=True))

    assert 0.01 < shares["whitewater"] < 0.04
    assert 0.05 < shares["sand"] < 0.12
    assert shares["water"] > 0.3
    assert shares["other"] > 0.3


def test_only_some_scenes_have_nodata(scenes):
    """Some are cut by the edge of the swath, and most are complete."""
    cut = sum(bool((scene.label == IGNORE).any()) for scene in scenes)

    assert 4 <= cut <= 20


def test_each_patch_of_whitewater_touches_water(scenes):
    """Every piece has water within three pixels."""
    for scene in scenes:
        patches, count = ndimage.label(scene.label == WHITEWATER, EIGHT)
        near = ndimage.binary_dilation(scene.label == WATER, EIGHT, iterations=3)
        assert set(range(1, count + 1)) <= set(np.unique(patches[near])), scene.name


def test_context_identifies_whitewater_and_sand(scenes):
    """Whitewater is within 20 pixels of land, and sand within 18 pixels of water."""
    for scene in scenes:
        if (scene.label == IGNORE).any():
            continue
        from_land = ndimage.distance_transform_edt(~np.isin(scene.label, (SAND, OTHER)))
        from_water = ndimage.distance_transform_edt(~np.isin(scene.label, (WATER, WHITEWATER)))
        assert from_land[scene.label == WHITEWATER].max(initial=0) <= 20.1
        assert from_water[scene.label == SAND].max(initial=0) <= 18.0


def test_mean_spectra_have_the_natural_order(scenes):
    """Water is dark in NIR and SWIR, foam bright in blue, sand brightest in SWIR, and plants brightest in NIR."""
    image = np.concatenate([scene.image.reshape(-1, 5) for scene in scenes])
    label = np.concatenate([scene.label.ravel() for scene in scenes])
    mean = {c: dict(zip(BANDS, image[label == i].mean(axis=0), strict=True)) for i, c in enumerate(CLASSES)}

    assert max(mean["water"]["nir"], mean["water"]["swir"]) < mean["water"]["blue"]
    assert mean["whitewater"]["blue"] > max(mean["water"]["blue"], mean["other"]["blue"])
    assert mean["sand"]["blue"] < mean["sand"]["green"] < mean["sand"]["red"] < mean["sand"]["swir"]
    assert mean["other"]["nir"] > mean["other"]["red"]


def test_single_pixels_do_not_separate_the_classes(scenes):
    """A random forest on standardized pixels reaches a mean IoU of 0.45 to 0.66, less than with context."""
    rng = np.random.default_rng(0)
    samples = []
    for scene in scenes:
        valid = scene.label != IGNORE
        pixels = scene.image[valid].astype(np.float32)
        chosen = rng.choice(len(pixels), 1500, replace=False)
        samples.append((((pixels - pixels.mean()) / pixels.std())[chosen], scene.label[valid][chosen]))
    x, y = (np.concatenate(part) for part in zip(*samples[:28], strict=True))
    x_new, y_new = (np.concatenate(part) for part in zip(*samples[28:], strict=True))

    forest = RandomForestClassifier(30, min_samples_leaf=5, random_state=0).fit(x, y)
    guess = forest.predict(x_new)
    iou = [((guess == c) & (y_new == c)).sum() / ((guess == c) | (y_new == c)).sum() for c in range(4)]

    assert 0.45 < np.mean(iou) < 0.66
    assert max(iou[WHITEWATER], iou[SAND]) < 0.55
    assert min(iou[WATER], iou[OTHER]) > 0.75


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 0, 64, 64, 0), r"sites=0 must be at least 1 and at most 8; try sites=8\."),
        ((0, 0, 64, 64, 9), r"sites=9 must be at least 1 and at most 8; try sites=8\."),
        ((0, 0, 31, 64), r"31x64 pixels is too small .* make both sides at least 32\."),
        ((0, 0, 64, 31), r"64x31 pixels is too small .* make both sides at least 32\."),
        ((-1, 0, 64, 64), r"seed=-1 and index=0 must be at least 0; count both from 0\."),
        ((0, -2, 64, 64), r"seed=0 and index=-2 must be at least 0; count both from 0\."),
    ],
)
def test_an_argument_out_of_range_is_rejected_with_a_remedy(arguments, message):
    """The error states the value, the rule and what to do."""
    with pytest.raises(DataError, match=message):
        draw_scene(*arguments)


def test_noise_of_a_steeper_slope_is_smoother():
    """Neighbours differ less with a steeper slope, while the variance stays about one."""
    steps = []
    for slope in (2.0, 3.0, 4.0):
        field = terrain.fractal_noise(np.random.default_rng(3), (96, 128), slope, 30)
        assert 0.7 < field.std() < 1.3
        steps.append(np.abs(np.diff(field)).mean())

    assert steps[0] > 1.5 * steps[1] > 2.25 * steps[2]


def test_stretched_noise_is_longer_in_its_direction():
    """By default, shapes are longer along the columns, so neighbouring columns differ less."""
    field = terrain.fractal_noise(np.random.default_rng(3), (96, 96), 3.2, 10, stretch=4.0)

    assert np.abs(np.diff(field, axis=1)).mean() < 0.6 * np.abs(np.diff(field, axis=0)).mean()


def test_masks_keep_the_pieces_that_qualify():
    """Of a pair and a single pixel, the size keeps the pair, and a nearby neighbour keeps the single pixel."""
    mask = np.array([[1, 1, 0, 0, 0, 1]], bool)
    other = np.array([[0, 0, 0, 1, 0, 0]], bool)

    np.testing.assert_array_equal(terrain.keep_large(mask, 2), [[1, 1, 0, 0, 0, 0]])
    np.testing.assert_array_equal(terrain.keep_touching(mask, other, 1), np.zeros((1, 6)))
    np.testing.assert_array_equal(terrain.keep_touching(mask, other, 2), mask)


def test_ramps_bumps_and_distances():
    """A ramp is 0.5 in its middle and falls if reversed; an empty mask is as far as the sum of both sides."""
    np.testing.assert_allclose(terrain.ramp(np.array([-1.0, 2.0, 3.0, 9.0]), 1, 5), [0, 0.15625, 0.5, 1])
    np.testing.assert_allclose(terrain.ramp(np.array([0.0, 3.0, 6.0]), 5, 1), [1, 0.5, 0])
    np.testing.assert_allclose(terrain.bump(np.array([2.0, 5.0]), 2, 3), [1, np.exp(-1)])
    np.testing.assert_array_equal(terrain.distance_to(np.array([[True, False, False]])), [[0, 1, 2]])
    np.testing.assert_array_equal(terrain.distance_to(np.zeros((1, 3), bool)), [[4, 4, 4]])


def test_parcels_have_one_tone_each():
    """Tracks between them are one pixel wide."""
    rows, columns = np.indices((20, 70))
    tone, track = terrain.draw_parcels(np.random.default_rng(0), columns, rows, 10)

    assert len(np.unique(tone[1:7, 1:10])) == 1
    assert np.abs(tone).max() < 1
    assert track[3].sum() == 7
