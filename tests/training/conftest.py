"""A model and a loop small enough to train in a test."""

import tempfile
from dataclasses import asdict
from pathlib import Path

import keras
import pytest
import tensorflow as tf

from gym.config.schema import AugmentConfig, Config, ModelConfig, ScheduleConfig, TrainingConfig
from gym.core.files import hash_value
from gym.data.batches import ordered_batches, steps_in_epoch, training_batches
from gym.data.samples import training_samples
from gym.data.split import Split
from gym.models.architectures import build_model
from gym.models.cpu_ops import use_tuning
from gym.training.graph_cache import get_compiled_model
from gym.training.loop import BatchStreams, compile_model, train


@pytest.fixture(autouse=True)
def tuning():
    """Use tuned operations, as runs do by default, and make them deterministic."""
    use_tuning(True)
    tf.config.experimental.enable_op_determinism()


def small_config(**training):
    """One level, two filters and three epochs, with every source of randomness switched on."""
    return Config(
        model=ModelConfig("unet", 2, 3, 1, 0.3),
        augment=AugmentConfig(
            copies=2, zoom=0.1, rotation=10.0, shift_rows=0.1, shift_columns=0.1, flip_vertical=True, noise=0.01
        ),
        schedule=ScheduleConfig(1e-3, 1e-2, 1e-4, 1, 1, 0.5),
        training=TrainingConfig(**{"batch": 2, "epochs": 3, "patience": 3} | training),
        seed=5,
    )


@pytest.fixture
def train_small(tiny_dataset, tmp_path):
    """Train the small model on the tiny dataset, by default in a new folder.

    As in a sweep, models with equal graphs are reused, which replaces the weights of the earlier one; with ``is_fresh``
    the model is built and traced again.

    Returns the model, its history and the reported epochs, which ``on_epoch`` receives as well.
    """

    def run(config=None, displays=(), folder=None, on_epoch=lambda epoch: None, is_fresh=False):
        config = config or small_config()
        folder = folder or Path(tempfile.mkdtemp(dir=tmp_path))
        graphs = [asdict(config.model), asdict(config.loss), asdict(config.optimizer), tiny_dataset.shape]
        graphs.append(keras.config.dtype_policy().name)

        def build():
            keras.utils.set_random_seed(config.seed)
            return build_model(config.model, tiny_dataset.shape, 3)

        def compile(model):
            return compile_model(model, config.optimizer, config.loss.name, [1.0, 1.0, 1.0])

        model = compile(build()) if is_fresh else get_compiled_model(hash_value(graphs), build, compile)
        reported = []
        samples = training_samples(Split([0, 1, 2, 3], [4, 5]), config.augment, len(tiny_dataset))

        def batches(first_epoch):
            return training_batches(
                tiny_dataset, samples, config.augment, config.training.batch, config.seed, first_epoch
            )

        def report(epoch):
            reported.append(epoch)
            on_epoch(epoch)

        steps = steps_in_epoch(len(samples), config.training.batch)
        validation = ordered_batches(tiny_dataset, [4, 5], 2)
        history = train(
            model,
            BatchStreams(batches, steps, validation),
            folder,
            report,
            epochs=config.training.epochs,
            patience=config.training.patience,
            schedule=config.schedule,
            seed=config.seed,
            displays=displays,
        )
        return model, history, reported

    return run
