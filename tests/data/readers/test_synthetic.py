"""Synthetic scenes: the same every time, true everywhere, and not to be told apart pixel by pixel."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
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
    """Forty scenes of 128 x 128, five dates of each site."""
    return [draw_scene(0, index, 128, 128) for index in range(40)]


def same(a, b):
    return a.name == b.name and a.image.tobytes() == b.image.tobytes() and a.label.tobytes() == b.label.tobytes()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**40), index=st.integers(0, 10**6), height=st.integers(32, 80), width=st.integers(32, 80))
def test_a_scene_of_any_size_keeps_its_promises(seed, index, height, width):
    """Size, types, classes and nodata are as documented, and a second drawing gives the same bytes."""
    scene = draw_scene(seed, index, height, width)
    nodata = scene.label == IGNORE

    np.testing.assert_array_equal(nodata, (scene.image == 0).all(axis=-1))
    np.testing.assert_array_equal(nodata, (scene.image == 0).any(axis=-1))
    assert not nodata.all()
    assert set(np.unique(scene.label)) <= {0, 1, 2, 3, IGNORE}
    assert (scene.image.shape, scene.image.dtype) == ((height, width, len(BANDS)), np.uint16)
    assert (scene.label.shape, scene.label.dtype) == ((height, width), np.uint8)
    assert same(scene, draw_scene(seed, index, height, width))


def test_a_scene_does_not_depend_on_what_was_drawn_before():
    """Order, neighbours and numpy's global generator leave a scene as it is, and it leaves them as they are."""
    alone = draw_scene(5, 11, 48, 64)
    np.random.seed(3)  # noqa: NPY002 - the global generator is what must stay untouched
    expected = np.random.RandomState(3).random()
    forward = [draw_scene(5, index, 48, 64) for index in range(9, 13)]
    backward = [draw_scene(5, index, 48, 64) for index in range(12, 8, -1)]

    assert same(forward[2], alone)
    assert all(same(a, b) for a, b in zip(forward, backward[::-1], strict=True))
    assert np.random.random() == expected  # noqa: NPY002


def test_seed_and_index_both_change_a_scene():
    """Another seed or another index is another coast."""
    scene = draw_scene(0, 0, 48, 48)

    assert not np.array_equal(scene.label, draw_scene(1, 0, 48, 48).label)
    assert not np.array_equal(scene.label, draw_scene(0, 8, 48, 48).label)


@pytest.mark.parametrize("sites", [1, 3, 8])
def test_scenes_go_round_the_sites(sites):
    """The site is the index modulo the number of sites, and the name says both."""
    for index in range(2 * sites):
        scene = draw_scene(0, index, 32, 32, sites)
        assert scene.site == SITES[index % sites]
        assert scene.name == f"{scene.site}_{index:04d}"


def test_the_number_of_sites_does_not_change_a_site():
    """Scene 2 is at the third site whether there are three sites or eight, and is the same to the byte."""
    assert same(draw_scene(0, 2, 48, 48, sites=3), draw_scene(0, 2, 48, 48, sites=8))


def test_a_site_faces_the_same_sea_on_every_date(scenes):
    """The direction from land to sea is steady within a site, and not the same at all sites."""
    headings = {site: [] for site in SITES}
    for scene in scenes:
        rows, columns = np.indices(scene.label.shape)
        wet, dry = np.isin(scene.label, (WATER, WHITEWATER)), np.isin(scene.label, (SAND, OTHER))
        towards = complex(columns[wet].mean() - columns[dry].mean(), rows[wet].mean() - rows[dry].mean())
        headings[scene.site].append(towards / abs(towards))

    assert min(abs(np.mean(dates)) for dates in headings.values()) > 0.8
    assert abs(np.mean([np.mean(dates) for dates in headings.values()])) < 0.8


def test_every_class_occurs_and_rare_ones_are_rare(scenes):
    """Of the valid pixels whitewater takes 1 to 4 %, sand 5 to 12 %, water and other each above 30 %."""
    labels = np.concatenate([scene.label[scene.label != IGNORE] for scene in scenes])
    shares = dict(zip(CLASSES, np.bincount(labels, minlength=4) / labels.size, strict=True))

    assert 0.01 < shares["whitewater"] < 0.04
    assert 0.05 < shares["sand"] < 0.12
    assert shares["water"] > 0.3
    assert shares["other"] > 0.3


def test_only_a_part_of_the_scenes_has_nodata(scenes):
    """Some scenes are cut by the edge of a swath, most are whole."""
    cut = sum(bool((scene.label == IGNORE).any()) for scene in scenes)

    assert 4 <= cut <= 20


def test_each_patch_of_whitewater_touches_water(scenes):
    """Whatever is whitewater has water within three pixels."""
    for scene in scenes:
        patches, count = ndimage.label(scene.label == WHITEWATER, EIGHT)
        near = ndimage.binary_dilation(scene.label == WATER, EIGHT, iterations=3)
        assert set(range(1, count + 1)) <= set(np.unique(patches[near])), scene.name


def test_position_tells_whitewater_and_sand(scenes):
    """Whitewater lies within 20 pixels of land, and sand within 18 of water: the rule that context teaches."""
    for scene in scenes:
        if (scene.label == IGNORE).any():
            continue
        from_land = ndimage.distance_transform_edt(~np.isin(scene.label, (SAND, OTHER)))
        from_water = ndimage.distance_transform_edt(~np.isin(scene.label, (WATER, WHITEWATER)))
        assert from_land[scene.label == WHITEWATER].max(initial=0) <= 20.1
        assert from_water[scene.label == SAND].max(initial=0) <= 18.0


def test_mean_spectra_are_in_the_natural_order(scenes):
    """Water is dark in NIR and SWIR, foam bright in blue, sand rises from blue to SWIR, plants from red to NIR."""
    image = np.concatenate([scene.image.reshape(-1, 5) for scene in scenes])
    label = np.concatenate([scene.label.ravel() for scene in scenes])
    mean = {c: dict(zip(BANDS, image[label == i].mean(axis=0), strict=True)) for i, c in enumerate(CLASSES)}

    assert max(mean["water"]["nir"], mean["water"]["swir"]) < mean["water"]["blue"]
    assert mean["whitewater"]["blue"] > max(mean["water"]["blue"], mean["other"]["blue"])
    assert mean["sand"]["blue"] < mean["sand"]["green"] < mean["sand"]["red"] < mean["sand"]["swir"]
    assert mean["other"]["nir"] > mean["other"]["red"]


def test_pixels_alone_do_not_give_the_classes_away(scenes):
    """A random forest on standardised pixels stays at a mean IoU of 0.45 to 0.66, below what context gives."""
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
        ((0, 0, 64, 64, 0), r"sites=0 must be 1 to 8, .* try sites=8\."),
        ((0, 0, 64, 64, 9), r"sites=9 must be 1 to 8, .* try sites=8\."),
        ((0, 0, 31, 64), r"31 x 64 is too small .* make both at least 32\."),
        ((0, 0, 64, 31), r"64 x 31 is too small .* make both at least 32\."),
        ((-1, 0, 64, 64), r"seed=-1 and index=0 must not be negative; count both from 0\."),
        ((0, -2, 64, 64), r"seed=0 and index=-2 must not be negative; count both from 0\."),
    ],
)
def test_a_bad_argument_is_refused_with_its_remedy(arguments, message):
    """The error names the value, the rule and what to do."""
    with pytest.raises(DataError, match=message):
        draw_scene(*arguments)


def test_noise_of_a_steeper_slope_is_smoother():
    """Neighbours differ less as the slope rises, while the spread stays about one."""
    steps = []
    for slope in (2.0, 3.0, 4.0):
        field = terrain.fractal_noise(np.random.default_rng(3), (96, 128), slope, 30)
        assert 0.7 < field.std() < 1.3
        steps.append(np.abs(np.diff(field)).mean())

    assert steps[0] > 1.5 * steps[1] > 2.25 * steps[2]


def test_stretched_noise_is_longer_along_its_turn():
    """With no turn the shapes run along the columns, so values change less from column to column."""
    field = terrain.fractal_noise(np.random.default_rng(3), (96, 96), 3.2, 10, stretch=4.0)

    assert np.abs(np.diff(field, axis=1)).mean() < 0.6 * np.abs(np.diff(field, axis=0)).mean()


def test_masks_keep_the_pieces_that_qualify():
    """Of a pair and a lone pixel, size keeps the pair, and a neighbour within reach keeps the lone pixel."""
    mask = np.array([[1, 1, 0, 0, 0, 1]], bool)
    other = np.array([[0, 0, 0, 1, 0, 0]], bool)

    np.testing.assert_array_equal(terrain.keep_large(mask, 2), [[1, 1, 0, 0, 0, 0]])
    np.testing.assert_array_equal(terrain.keep_touching(mask, other, 1), np.zeros((1, 6)))
    np.testing.assert_array_equal(terrain.keep_touching(mask, other, 2), mask)


def test_ramps_bumps_and_distances_by_hand():
    """A ramp is half way at its middle and falls when reversed; an empty mask is as far as both sides together."""
    np.testing.assert_allclose(terrain.ramp(np.array([-1.0, 2.0, 3.0, 9.0]), 1, 5), [0, 0.15625, 0.5, 1])
    np.testing.assert_allclose(terrain.ramp(np.array([0.0, 3.0, 6.0]), 5, 1), [1, 0.5, 0])
    np.testing.assert_allclose(terrain.bump(np.array([2.0, 5.0]), 2, 3), [1, np.exp(-1)])
    np.testing.assert_array_equal(terrain.distance_to(np.array([[True, False, False]])), [[0, 1, 2]])
    np.testing.assert_array_equal(terrain.distance_to(np.zeros((1, 3), bool)), [[4, 4, 4]])


def test_parcels_have_one_tone_between_tracks():
    """A plot has a single tone, and tracks are one pixel wide."""
    rows, columns = np.indices((20, 70))
    tone, track = terrain.draw_parcels(np.random.default_rng(0), columns, rows, 10)

    assert len(np.unique(tone[1:7, 1:10])) == 1
    assert np.abs(tone).max() < 1
    assert track[3].sum() == 7
