"""The training pixels of the baselines are labelled, and drawn evenly from all scenes."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gym.data.labels import IGNORE
from gym.evaluation import baselines
from gym.evaluation.baselines import choose_pairs, draw_pixels
from tests.conftest import make_scenes, make_tiny_dataset


@pytest.fixture(scope="module")
def numbered_dataset(tmp_path_factory):
    """Six pairs of 512 pixels, of three scenes; band b holds the number of the pair and band c that of the pixel."""
    scenes = make_scenes()
    for number, scene in enumerate(scenes.values()):
        scene.image[..., 1] = number + 1
        scene.image[..., 2] = np.arange(512).reshape(16, 32)
    scenes["pair0"].label[:] = IGNORE
    scenes["pair0"].label[0, :7] = 1
    scenes["pair4"].label[:8] = IGNORE
    return make_tiny_dataset(tmp_path_factory.mktemp("stores") / "numbered", scenes)


def count_drawn(pixels):
    """Count the drawn pixels of each pair."""
    return Counter((pixels.values[:, 1] - 1).astype(int).tolist())


def test_all_labelled_pixels_are_drawn_if_there_are_few(numbered_dataset):
    """Pair 0 has 7 labelled pixels, pair 4 has 256; each is drawn once, with its bands and its class."""
    pixels = draw_pixels(numbered_dataset, [0, 1, 4], seed=0)

    assert pixels.values.dtype == np.float32
    assert pixels.classes.dtype == np.uint8
    assert pixels.scenes == 2
    assert count_drawn(pixels) == {0: 7, 1: 512, 4: 256}
    assert len({tuple(values) for values in pixels.values[:, 1:]}) == 7 + 512 + 256
    for values, label in zip(pixels.values, pixels.classes, strict=True):
        position, pixel = int(values[1]) - 1, np.unravel_index(int(values[2]), (16, 32))
        assert label == numbered_dataset.read_label(position)[pixel] != IGNORE
        np.testing.assert_array_equal(values, numbered_dataset.read_image(position)[pixel])


def test_every_scene_contributes_equally(numbered_dataset, monkeypatch):
    """Each of three scenes contributes 40 of 120 pixels, from one pair or two; a pair with only 7 contributes these."""
    monkeypatch.setattr(baselines, "MAX_PIXELS", 120)

    assert count_drawn(draw_pixels(numbered_dataset, [0, 1, 2, 4, 5], seed=0)) == {0: 7, 1: 20, 2: 40, 4: 20, 5: 20}


def test_every_pair_contributes_at_least_one_pixel(numbered_dataset, monkeypatch):
    """Even more pairs than pixels contribute one each."""
    monkeypatch.setattr(baselines, "MAX_PIXELS", 1)

    assert count_drawn(draw_pixels(numbered_dataset, range(6), seed=0)) == dict.fromkeys(range(6), 1)


def test_the_number_of_pairs_is_limited(numbered_dataset, monkeypatch):
    """Four of six pairs are drawn depending on the seed, at least one of each scene."""
    monkeypatch.setattr(baselines, "MAX_PAIRS", 4)
    draws = [draw_pixels(numbered_dataset, range(6), seed) for seed in range(10)]

    assert {len(count_drawn(pixels)) for pixels in draws} == {4}
    assert {pixels.scenes for pixels in draws} == {3}
    assert len({tuple(sorted(count_drawn(pixels))) for pixels in draws}) > 1


def test_the_drawn_pixels_depend_on_seed_and_pair(numbered_dataset, monkeypatch):
    """The order of the pairs does not matter."""
    monkeypatch.setattr(baselines, "MAX_PIXELS", 120)
    first, turned = (draw_pixels(numbered_dataset, positions, seed=2) for positions in ([1, 3, 5], [5, 1, 3]))
    other = draw_pixels(numbered_dataset, [1, 3, 5], seed=4)

    np.testing.assert_array_equal(first.values, turned.values)
    np.testing.assert_array_equal(first.classes, turned.classes)
    assert (first.values != other.values).any()
    places = first.values[:, 2].reshape(3, 40)
    assert (places[0] != places[1]).any()


@given(
    scenes=st.lists(st.sampled_from("abcd"), min_size=1, max_size=20),
    most=st.integers(1, 25),
    seed=st.integers(0, 100),
)
def test_chosen_pairs_are_spread_over_the_scenes(scenes, most, seed):
    """No scene has two pairs more than another that still has pairs left."""
    chosen = choose_pairs(scenes, range(len(scenes)), most, seed)

    assert chosen == sorted(set(chosen))
    assert len(chosen) == min(most, len(scenes))
    given_by, there = Counter(scenes[position] for position in chosen), Counter(scenes)
    for scene in there:
        for other in there:
            assert given_by[scene] >= min(there[scene], given_by[other] - 1)


def test_the_chosen_pairs_depend_on_the_seed():
    """Twenty of a hundred pairs are chosen, whatever their order."""
    scenes = [f"scene{number}" for number in range(100)]
    first, turned = (choose_pairs(scenes, order, 20, 1) for order in (range(100), range(99, -1, -1)))

    assert first == turned != choose_pairs(scenes, range(100), 20, 2)
