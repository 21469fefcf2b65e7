"""Batches are what the store holds, in an order that is a function of (seed, epoch)."""

import numpy as np
import pytest

from gym.config import AugmentConfig
from gym.data.pipeline import ordered_batches, steps_in_epoch, training_batches

NOTHING = AugmentConfig(1, 0.0, 0.0, 0.0, 0.0, False, False)
STRONG = AugmentConfig(2, 0.2, 90.0, 0.1, 0.1, True, True)


def take(batches, count):
    return [(image.numpy(), label.numpy()) for image, label in batches.take(count)]


def test_ordered_batches_are_the_store(tiny_store):
    """In the order asked for, images as float32 of the same values, labels as they are, the last batch short."""
    batches = take(ordered_batches(tiny_store, [4, 0, 2], batch=2), 9)

    assert [len(images) for images, _ in batches] == [2, 1]
    images, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    assert images.dtype == np.float32
    for index, position in enumerate([4, 0, 2]):
        np.testing.assert_array_equal(images[index], tiny_store.read_image(position))
        np.testing.assert_array_equal(labels[index], tiny_store.read_label(position))


def test_an_epoch_has_each_pair_once_in_a_new_order(tiny_store):
    """Every epoch is a permutation of the training pairs, and epochs differ."""
    batches = take(training_batches(tiny_store, [0, 1, 3, 5], NOTHING, batch=3, seed=1), 2 * 6)
    orders = []
    for start in range(0, 12, 2):
        images = np.concatenate([images for images, _ in batches[start : start + 2]])
        found = [next(at for at in range(6) if np.array_equal(tiny_store.read_image(at), image)) for image in images]
        assert sorted(found) == [0, 1, 3, 5]
        orders.append(tuple(found))

    assert len(set(orders)) > 1
    assert steps_in_epoch(4, NOTHING, 3) == 2


def test_copies_repeat_each_pair_with_other_changes(tiny_store):
    """Two copies make twice the samples, and the two copies of a pair differ."""
    ((images, _),) = take(training_batches(tiny_store, [0], STRONG, batch=8, seed=1), 1)

    assert len(images) == 2
    assert (images[0] != images[1]).any()
    assert steps_in_epoch(4, STRONG, 3) == 3


@pytest.mark.parametrize("config", [NOTHING, STRONG])
def test_training_that_starts_later_gets_the_same_batches(tiny_store, config):
    """Epoch 3 is epoch 3, whether or not epochs 0 to 2 came before: what a resumed run relies on."""
    steps = steps_in_epoch(5, config, 2)
    whole = take(training_batches(tiny_store, range(5), config, batch=2, seed=9), 5 * steps)
    late = take(training_batches(tiny_store, range(5), config, batch=2, seed=9, first_epoch=3), 2 * steps)

    for (image, label), (later_image, later_label) in zip(whole[3 * steps :], late, strict=True):
        np.testing.assert_array_equal(image, later_image)
        np.testing.assert_array_equal(label, later_label)


def test_seeds_give_other_orders_and_changes(tiny_store):
    """The run's seed decides both."""
    one, two = (take(training_batches(tiny_store, range(5), STRONG, batch=10, seed=seed), 1)[0][0] for seed in (1, 2))

    assert (one != two).any()
