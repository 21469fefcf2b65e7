"""Tests of batches: they hold the pairs of the dataset, in an order that depends on (seed, epoch) only."""

import functools
import hashlib
import itertools
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from gym.config.schema import AugmentConfig, SplitConfig
from gym.data.batches import SampleReader, ordered_batches, steps_in_epoch, training_batches
from gym.data.labels import IGNORE
from gym.data.readers.base import RawScene
from gym.data.samples import split_dataset, training_samples
from gym.data.split import Split
from tests.conftest import ROOT, make_scenes, make_tiny_dataset

NOTHING = AugmentConfig(
    zoom=0.0, rotation=0.0, shift_rows=0.0, shift_columns=0.0, flip_horizontal=False, flip_vertical=False
)
STRONG = AugmentConfig(
    copies=2, zoom=0.2, rotation=90.0, shift_rows=0.1, shift_columns=0.1, flip_vertical=True, noise=0.1
)
OFFLINE = replace(STRONG, mode="offline", copies=3)


def take(batches, count):
    return [(image.numpy(), label.numpy()) for image, label in batches.take(count)]


def concatenate(batches):
    """Images and labels of several batches."""
    images, labels = zip(*batches, strict=True)
    return np.concatenate(images), np.concatenate(labels)


def read_one(reader, sample):
    """One sample as arrays."""
    image, label = reader(tf.constant(sample, tf.int64))
    return image.numpy(), label.numpy()


def assert_same_copy(ours, theirs):
    """Labels are equal; images are equal up to the rounding that differs between graphs and single operations."""
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(ours[1], theirs[1])


def digest(image, label):
    return hashlib.sha256(image.tobytes() + label.tobytes()).hexdigest()


@functools.cache
def online_epochs(dataset, batch=3, seed=2, first_epoch=0):
    """Batches by epoch, up to the sixth, of two copies of five pairs.

    Tests that name no default share them: a pipeline with augmentation takes half a second before its first batch.
    """
    samples = training_samples(Split([0, 1, 2, 3, 4], [5]), STRONG, len(dataset))
    steps, epochs = steps_in_epoch(len(samples), batch), 6 - first_epoch
    batches = take(training_batches(dataset, samples, STRONG, batch, seed, first_epoch), epochs * steps)
    return [batches[epoch * steps : (epoch + 1) * steps] for epoch in range(epochs)]


@pytest.fixture(scope="module")
def offline_samples(tiny_dataset):
    """The six pairs and their three offline copies, in the order of their numbers, for seed 4."""
    everything = range(4 * len(tiny_dataset))
    images, labels = concatenate(take(ordered_batches(tiny_dataset, everything, 8, OFFLINE, 4), 99))
    return list(zip(images, labels, strict=True))


def test_ordered_batches_hold_the_requested_pairs(tiny_dataset):
    """They keep the order, values and labels, and the last batch is smaller."""
    batches = take(ordered_batches(tiny_dataset, [4, 0, 2], batch=2), 9)

    assert [len(images) for images, _ in batches] == [2, 1]
    images, labels = concatenate(batches)
    for index, position in enumerate([4, 0, 2]):
        np.testing.assert_array_equal(images[index], tiny_dataset.read_image(position))
        np.testing.assert_array_equal(labels[index], tiny_dataset.read_label(position))


def scenes_of_all_sizes(*types, order="C"):
    """Scenes smaller than the frame, as large and larger, some of a single row or column, in one type or several."""
    sizes = [(5, 7), (16, 32), (40, 20), (1, 9), (15, 1), (30, 50), (17, 31)]
    scenes = {}
    for number, size in enumerate(sizes):
        rng, dtype = np.random.default_rng(number), types[number % len(types)]
        low = 1 if np.issubdtype(dtype, np.unsignedinteger) else -120
        image = rng.integers(low, 250 if low == 1 else 120, (*size, 3)).astype(dtype)
        image[..., 0][image[..., 0] == 0] = 1
        image[:1, :1] = 0 if min(size) > 1 else image[:1, :1]
        label = rng.integers(0, 3, size)
        scenes[f"pair{number}"] = RawScene(np.asarray(image, order=order), np.asarray(label, order=order), None)
    return scenes


@pytest.mark.parametrize("framing", ["fit", "resize", "tile"])
@pytest.mark.parametrize(
    "types",
    [("uint8",), ("int16",), ("uint16",), ("float32",), ("uint8", "int16"), ("uint16", "int16"), ("uint16", "float64")],
    ids="+".join,
)
def test_batches_equal_what_the_dataset_reads(tmp_path, types, framing):
    """Values, padding and ignored pixels agree with NumPy for every type, size and framing."""
    dataset = make_tiny_dataset(tmp_path / "s", scenes_of_all_sizes(*types), framing=framing, overlap=0.3)
    everything = list(range(len(dataset)))
    images, labels = concatenate(take(ordered_batches(dataset, everything, 3), 99))

    assert images.shape == (len(dataset), 16, 32, 3)
    assert labels.dtype == np.uint8
    assert len(dataset) > 7 or framing != "tile"
    for position in everything:
        np.testing.assert_array_equal(images[position], dataset.read_image(position))
        np.testing.assert_array_equal(labels[position], dataset.read_label(position))
        assert (labels[position][~images[position].any(axis=-1)] == IGNORE).all()


def test_the_order_of_pixels_in_memory_does_not_matter(tmp_path):
    """Some npz files hold column-major arrays; they are read like row-major ones."""
    ours, theirs = (make_tiny_dataset(tmp_path / order, scenes_of_all_sizes("uint8", order=order)) for order in "CF")

    for (image, label), (other, other_label) in zip(
        take(ordered_batches(ours, range(7), 1), 7), take(ordered_batches(theirs, range(7), 1), 7), strict=True
    ):
        np.testing.assert_array_equal(image, other)
        np.testing.assert_array_equal(label, other_label)


def test_an_epoch_has_each_pair_once_in_a_new_order(tiny_dataset):
    """Each epoch is a permutation of the training pairs, and epochs differ."""
    batches = take(training_batches(tiny_dataset, [0, 1, 3, 5], NOTHING, batch=3, seed=1), 2 * 6)
    orders = []
    for start in range(0, 12, 2):
        images, _ = concatenate(batches[start : start + 2])
        found = [next(at for at in range(6) if np.array_equal(tiny_dataset.read_image(at), image)) for image in images]
        assert sorted(found) == [0, 1, 3, 5]
        orders.append(tuple(found))

    assert len(set(orders)) > 1


def test_steps_are_the_batches_of_an_epoch():
    """The last batch may be smaller."""
    assert [steps_in_epoch(samples, 3) for samples in (1, 3, 4, 8, 9)] == [1, 1, 2, 3, 3]


def test_online_copies_repeat_each_pair_with_other_changes(tiny_dataset):
    """Two copies double the samples, and the copies of a pair differ."""
    images, _ = concatenate(online_epochs(tiny_dataset)[0])

    assert len(images) == 10
    assert len({image.tobytes() for image in images}) == 10


def test_online_changes_differ_from_epoch_to_epoch(tiny_dataset):
    """The same pair never looks the same twice."""
    images, labels = concatenate(itertools.chain(*online_epochs(tiny_dataset)))

    assert len(set(map(digest, images, labels))) == 6 * 10


def assert_same_batches(ours, theirs):
    """Images and labels are equal."""
    for (image, label), (other_image, other_label) in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(image, other_image)
        np.testing.assert_array_equal(label, other_label)


@pytest.mark.parametrize("config", [NOTHING, OFFLINE])
def test_training_that_starts_later_gets_the_same_batches_per_epoch(tiny_dataset, config):
    """Epoch 3 is the same whether or not epochs 0 to 2 came before; resuming relies on it."""
    samples = training_samples(Split([0, 1, 2, 3, 4], [5]), config, len(tiny_dataset))
    steps = steps_in_epoch(len(samples), 2)
    whole = take(training_batches(tiny_dataset, samples, config, batch=2, seed=9), 5 * steps)
    late = take(training_batches(tiny_dataset, samples, config, batch=2, seed=9, first_epoch=3), 2 * steps)

    assert_same_batches(whole[3 * steps :], late)


def test_training_with_online_copies_that_starts_later_gets_the_same_batches_per_epoch(tiny_dataset):
    """The changes of an epoch depend on its number, not on the epochs before it."""
    whole, late = online_epochs(tiny_dataset), online_epochs(tiny_dataset, first_epoch=3)

    for ours, theirs in zip(whole[3:], late, strict=True):
        assert_same_batches(ours, theirs)


def test_the_batch_size_changes_no_sample(tiny_dataset):
    """Ten samples in batches of 1, 3 or 10 are the same, in the same order."""
    images, labels = concatenate(online_epochs(tiny_dataset)[0])

    for batch in (1, 10):
        same_images, same_labels = concatenate(online_epochs(tiny_dataset, batch=batch)[0])
        np.testing.assert_array_equal(same_images, images)
        np.testing.assert_array_equal(same_labels, labels)


def test_the_seed_decides_order_and_changes(tiny_dataset):
    """Another seed gives another order and other changes."""
    one, other = (epochs[0][0][0] for epochs in (online_epochs(tiny_dataset), online_epochs(tiny_dataset, seed=1)))

    assert (one != other).any()


def test_offline_copies_are_the_same_in_every_epoch(tiny_dataset, offline_samples):
    """Only their order changes; each copy equals the one read by its number, and differs from its pair."""
    samples = training_samples(Split([0, 3], [1]), OFFLINE, len(tiny_dataset))
    expected = sorted(digest(*offline_samples[sample]) for sample in samples)
    batches = take(training_batches(tiny_dataset, samples, OFFLINE, batch=1, seed=4), 3 * len(samples))
    epochs = [[digest(*batch) for batch in batches[start : start + 6]] for start in (0, 6, 12)]

    assert len(set(expected)) == 6
    assert all(sorted(epoch) == expected for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1
    assert not {digest(*offline_samples[pair]) for pair in (0, 3)} & set(expected)


IN_ANOTHER_PROCESS = """
import hashlib, sys
from pathlib import Path
import tensorflow as tf
from gym.data.batches import SampleReader
from gym.data.dataset import Dataset
from tests.data.test_batches import OFFLINE

read = SampleReader(Dataset(Path(sys.argv[1])), OFFLINE, 4)
for sample in (6, 11, 23):
    image, label = (part.numpy() for part in read(tf.constant(sample, tf.int64)))
    print(hashlib.sha256(image.tobytes() + label.tobytes()).hexdigest())
"""


@pytest.mark.process
def test_offline_copies_are_the_same_in_another_process(tiny_dataset):
    """Copies are not stored, so another process must draw the same."""
    read = SampleReader(tiny_dataset, OFFLINE, 4)
    theirs = subprocess.check_output(
        [sys.executable, "-c", IN_ANOTHER_PROCESS, str(tiny_dataset.folder)],
        cwd=ROOT,
        text=True,
        stderr=subprocess.DEVNULL,
    )

    assert theirs.split() == [digest(*read_one(read, sample)) for sample in (6, 11, 23)]


def test_copies_depend_on_the_seed_only(tiny_dataset, offline_samples):
    """Neither the samples next to them nor the reader matters."""
    read, other = (SampleReader(tiny_dataset, OFFLINE, seed) for seed in (4, 5))
    image, label = offline_samples[9]
    among = concatenate(take(ordered_batches(tiny_dataset, [2, 9, 14], 2, OFFLINE, 4), 99))

    assert (read_one(read, 9)[0] != read_one(other, 9)[0]).any()
    assert_same_copy((image, label), read_one(read, 9))
    np.testing.assert_array_equal(among[0][1], image)
    np.testing.assert_array_equal(among[1][1], label)
    np.testing.assert_array_equal(among[0][0], tiny_dataset.read_image(2))


def test_the_split_of_the_paper_reads_copies_on_both_sides(tiny_dataset, offline_samples):
    """Each sample of training and validation is the copy with its number."""
    split = split_dataset(tiny_dataset, SplitConfig(method="paper", validation=0.5), OFFLINE.copies)
    read = SampleReader(tiny_dataset, OFFLINE, 4)
    assert training_samples(split, OFFLINE, 6) == split.training

    images, labels = concatenate(take(ordered_batches(tiny_dataset, split.validation, 4, OFFLINE, 4), 99))
    trained = concatenate(take(training_batches(tiny_dataset, split.training, OFFLINE, 9, seed=4), 1))

    for index, sample in enumerate(split.validation):
        assert_same_copy((images[index], labels[index]), read_one(read, sample))
        assert (images[index] != tiny_dataset.read_image(sample % 6)).any()
    assert sorted(map(digest, *trained)) == sorted(digest(*offline_samples[sample]) for sample in split.training)


def test_a_copy_has_the_classes_of_its_pair_and_no_others(tiny_dataset, offline_samples):
    """It is that pair after augmentation, with pixels from outside ignored."""
    for sample, (_, label) in enumerate(offline_samples):
        assert set(np.unique(label)) <= {*np.unique(tiny_dataset.read_label(sample % 6)), IGNORE}


def test_copies_without_changes_equal_their_pair(tiny_dataset):
    """Each is the pair as float32."""
    read = SampleReader(tiny_dataset, replace(NOTHING, mode="offline"), 3)
    image, label = read_one(read, 8)

    assert image.dtype == np.float32
    np.testing.assert_array_equal(image, tiny_dataset.read_image(2))
    np.testing.assert_array_equal(label, tiny_dataset.read_label(2))


def test_padding_stays_ignored_after_augmentation(tmp_path):
    """It moves with the scene and has neither data nor a class, even with noise."""
    dataset = make_tiny_dataset(tmp_path / "s", make_scenes(2, rows=8, columns=16))
    for image, label in take(training_batches(dataset, [0, 1], STRONG, batch=1, seed=1), 12):
        np.testing.assert_array_equal(image.any(axis=-1), label != IGNORE)
        assert 30 < (label != IGNORE).sum() < 16 * 32


def test_tensorflow_neither_tunes_nor_rewrites_the_pipeline(tiny_dataset):
    """The tuner delays the end of an iterator, and graph optimization copies all imagery."""
    for batches in (
        training_batches(tiny_dataset, [0, 1], AugmentConfig(), 1, seed=0),
        ordered_batches(tiny_dataset, [0, 1], 1),
    ):
        assert batches.options().autotune.enabled is False
        assert batches.options().experimental_optimization.apply_default_optimizations is False
