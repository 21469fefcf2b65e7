"""Which pixels are drawn, and that none is drawn that must not be."""

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
    """Six pairs of 512 pixels, of three scenes; band b holds the pair's number and band c that of the pixel."""
    scenes = make_scenes()
    for number, scene in enumerate(scenes.values()):
        scene.image[..., 1] = number + 1
        scene.image[..., 2] = np.arange(512).reshape(16, 32)
    scenes["pair0"].label[:] = IGNORE
    scenes["pair0"].label[0, :7] = 1
    scenes["pair4"].label[:8] = IGNORE
    return make_tiny_dataset(tmp_path_factory.mktemp("stores") / "numbered", scenes)


def drawn_of(pixels):
    """How many pixels were drawn of each pair."""
    return Counter((pixels.values[:, 1] - 1).astype(int).tolist())


def test_where_all_fit_all_labelled_pixels_are_drawn_once(numbered_dataset):
    """Pair 0 has 7 labelled pixels, pair 4 256; each comes with its bands and its class."""
    pixels = draw_pixels(numbered_dataset, [0, 1, 4], seed=0)

    assert pixels.values.dtype == np.float32
    assert pixels.classes.dtype == np.uint8
    assert pixels.scenes == 2
    assert drawn_of(pixels) == {0: 7, 1: 512, 4: 256}
    assert len({tuple(values) for values in pixels.values[:, 1:]}) == 7 + 512 + 256
    for values, label in zip(pixels.values, pixels.classes, strict=True):
        position, pixel = int(values[1]) - 1, np.unravel_index(int(values[2]), (16, 32))
        assert label == numbered_dataset.read_label(position)[pixel] != IGNORE
        np.testing.assert_array_equal(values, numbered_dataset.read_image(position)[pixel])


def test_every_scene_gives_as_many_pixels(numbered_dataset, monkeypatch):
    """Of 120 pixels each of the three scenes gives 40, over one pair or two; one that has only 7 of 20 gives these."""
    monkeypatch.setattr(baselines, "MAX_PIXELS", 120)

    assert drawn_of(draw_pixels(numbered_dataset, [0, 1, 2, 4, 5], seed=0)) == {0: 7, 1: 20, 2: 40, 4: 20, 5: 20}


def test_every_pair_gives_one_pixel_at_least(numbered_dataset, monkeypatch):
    """Also where there are more pairs than pixels to draw."""
    monkeypatch.setattr(baselines, "MAX_PIXELS", 1)

    assert drawn_of(draw_pixels(numbered_dataset, range(6), seed=0)) == dict.fromkeys(range(6), 1)


def test_of_too_many_pairs_some_are_drawn(numbered_dataset, monkeypatch):
    """Four of six, and at least one of each scene; which, the seed says."""
    monkeypatch.setattr(baselines, "MAX_PAIRS", 4)
    draws = [draw_pixels(numbered_dataset, range(6), seed) for seed in range(10)]

    assert {len(drawn_of(pixels)) for pixels in draws} == {4}
    assert {pixels.scenes for pixels in draws} == {3}
    assert len({tuple(sorted(drawn_of(pixels))) for pixels in draws}) > 1


def test_the_draw_is_of_the_seed_alone(numbered_dataset, monkeypatch):
    """Not of the order of the pairs; another seed draws other pixels, and another pair has others drawn of it."""
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
    """As many as may be, each once and in order; no scene has two more than another that has pairs left."""
    chosen = choose_pairs(scenes, range(len(scenes)), most, seed)

    assert chosen == sorted(set(chosen))
    assert len(chosen) == min(most, len(scenes))
    given_by, there = Counter(scenes[position] for position in chosen), Counter(scenes)
    for scene in there:
        for other in there:
            assert given_by[scene] >= min(there[scene], given_by[other] - 1)


def test_a_choice_among_many_pairs_is_of_the_seed():
    """Twenty of a hundred: the same for a seed in any order of the pairs, others for another seed."""
    scenes = [f"scene{number}" for number in range(100)]
    first, turned = (choose_pairs(scenes, order, 20, 1) for order in (range(100), range(99, -1, -1)))

    assert first == turned != choose_pairs(scenes, range(100), 20, 2)
