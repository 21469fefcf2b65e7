"""The model and the batches of a run: built with its standardisation layer, compiled with its class weights."""

from collections.abc import Sequence
from dataclasses import asdict

import keras

from gym.config.schema import AugmentConfig, Config, LossConfig, ModelConfig, OptimizerConfig
from gym.core.files import hash_value
from gym.data.batches import ordered_batches, steps_in_epoch, training_batches
from gym.data.dataset import Dataset, combine_statistics
from gym.data.samples import pair_positions, training_samples
from gym.data.split import Split
from gym.models.architectures import build_model
from gym.models.blocks import Standardize
from gym.models.cpu_ops import is_tuned
from gym.models.losses import frequency_weights
from gym.training.graph_cache import get_compiled_model
from gym.training.loop import BatchStreams, compile_model


def set_up_training(config: Config, dataset: Dataset, split: Split) -> tuple[keras.Model, BatchStreams]:
    """Set up the model and the batches of a run, as `set_up_model` and `make_batches` do."""
    model = set_up_model(
        config.model,
        config.loss,
        config.optimizer,
        config.data.standardize,
        dataset,
        split.training,
        seed=config.seed,
        is_deterministic=config.training.deterministic,
    )
    return model, make_batches(dataset, split, config.augment, config.training.batch, config.seed)


def set_up_model(
    model: ModelConfig,
    loss: LossConfig,
    optimizer: OptimizerConfig,
    standardize: str,
    dataset: Dataset,
    training: Sequence[int],
    *,
    seed: int,
    is_deterministic: bool,
) -> keras.Model:
    """Build and compile a model, or reuse the graphs of an equal model that this process has trained before.

    Args:
        model: The architecture.
        loss: The loss and its class weighting.
        optimizer: The optimizer.
        standardize: One of `gym.models.blocks.STANDARDISATIONS`.
        dataset: The dataset.
        training: Samples of its training side.
        seed: Seed of the weights.
        is_deterministic: Whether TensorFlow computes reproducibly.
    """
    weights, classes = class_weights(loss, dataset, training), len(dataset.manifest.classes)
    layer = standardization_layer(standardize, dataset, training)
    graphs = [asdict(model), asdict(loss), asdict(optimizer), weights, dataset.shape, classes]
    graphs += [layer.method, layer.mean, layer.deviation]
    graphs += [keras.config.dtype_policy().name, is_deterministic, is_tuned()]
    return get_compiled_model(
        hash_value(graphs),
        compile=lambda network: compile_model(network, optimizer, loss.name, weights, loss.options, clip=loss.clip),
        build=lambda: build_model(model, dataset.shape, classes, layer, seed),
    )


def make_batches(dataset: Dataset, split: Split, augment: AugmentConfig, batch: int, seed: int) -> BatchStreams:
    """Make the batches of a training.

    Args:
        dataset: The dataset.
        split: Its split.
        augment: How augmented copies of pairs are made.
        batch: Pairs per batch.
        seed: Seed of order and augmentation.
    """
    samples = training_samples(split, augment, len(dataset))
    return BatchStreams(
        lambda first_epoch: training_batches(dataset, samples, augment, batch, seed, first_epoch),
        steps_in_epoch(len(samples), batch),
        ordered_batches(dataset, split.validation, batch, augment, seed),
    )


def standardization_layer(method: str, dataset: Dataset, training: Sequence[int]) -> Standardize:
    """Return the layer that standardises images.

    With ``method="dataset"``, mean and deviation are those of the training pairs. A pair counts once, however many of
    its copies are among the training samples.
    """
    if method != "dataset":
        return Standardize(method)
    positions = sorted(set(pair_positions(training, len(dataset))))
    return Standardize(method, *combine_statistics([dataset.manifest.pairs[at].statistics for at in positions]))


def class_weights(loss: LossConfig, dataset: Dataset, training: Sequence[int]) -> list[float]:
    """Return one positive weight per class: as given, from class frequency on the training side, or all 1."""
    if loss.weighting == "given":
        return loss.class_weights
    if loss.weighting == "frequency":
        return frequency_weights(dataset.counts[pair_positions(training, len(dataset))].sum(axis=0))
    return [1.0] * len(dataset.manifest.classes)
