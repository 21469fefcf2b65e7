"""A cached model equals a newly built one bit for bit, and its graphs are not traced again."""

import keras
import numpy as np
import pytest

from gym.training import graph_cache
from gym.training.graph_cache import get_compiled_model

pytestmark = pytest.mark.trains

IMAGES = np.linspace(-1, 1, 4 * 8, dtype=np.float32).reshape(4, 8)


@pytest.fixture(autouse=True)
def _empty_cache(monkeypatch):
    """Start without models of other tests."""
    monkeypatch.setattr(graph_cache, "_cache", {})


@pytest.fixture
def traced():
    """The names of the models whose training step was traced, in order."""
    return []


@pytest.fixture
def val_losses():
    """The validation losses of each completed training."""
    return []


@pytest.fixture
def train(traced, val_losses):
    """Train the model with the given name and seed for two steps and return its weights."""

    class Loss(keras.losses.Loss):
        def call(self, y_true, y_pred):
            traced.append(self.name)
            return keras.ops.mean(keras.ops.square(y_true - y_pred))

    def make(name, seed, validation=None, callbacks=()):
        def build():
            keras.utils.set_random_seed(seed)
            return keras.Sequential([keras.Input((8,)), keras.layers.Dense(3), keras.layers.BatchNormalization()])

        def compile(model):
            model.compile(keras.optimizers.Adam(0.1), Loss(name=name), jit_compile=False)
            model.optimizer.build(model.trainable_variables)
            return model

        model = get_compiled_model(name, build, compile)
        options = {} if validation is None else {"validation_data": (IMAGES, np.full((4, 3), validation))}
        options |= {"callbacks": list(callbacks), "epochs": 2, "verbose": 0, "shuffle": False}
        val_losses.append(model.fit(IMAGES, np.ones((4, 3)), **options).history.get("val_loss"))
        return [weight.numpy() for weight in model.weights]

    return make


def equal(some, others):
    return all(np.array_equal(one, other) for one, other in zip(some, others, strict=True))


def test_a_cached_model_starts_afresh(train, traced, monkeypatch):
    """Earlier trainings, with the same graphs or others, leave no trace."""
    first, second = train("a", 1), train("a", 2)
    train("b", 1)
    again = train("a", 1)

    assert traced == ["a", "b"]
    assert equal(first, again)
    assert not equal(first, second)
    monkeypatch.setattr(graph_cache, "_cache", {})
    assert equal(train("a", 2), second)
    assert traced == ["a", "b", "a"]


def test_an_interrupted_training_leaves_nothing_behind(train, val_losses):
    """The next training of the model is validated on its own scenes."""

    class Interrupt(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise KeyboardInterrupt

    train("a", 1, validation=0.0)
    with pytest.raises(KeyboardInterrupt):
        train("a", 1, validation=1.0, callbacks=[Interrupt()])
    train("a", 1, validation=0.0)

    assert len(val_losses) == 2
    assert val_losses[0] == val_losses[1]


def test_the_number_of_cached_parameters_is_limited(train, traced, monkeypatch):
    """The latest model is always cached, earlier ones as long as they are small together."""
    monkeypatch.setattr(graph_cache, "_MAX_PARAMETERS", 60)
    for name in "abc":  # 39 parameters each
        train(name, 1)

    assert list(graph_cache._cache) == ["b", "c"]
    train("b", 1)
    assert traced == ["a", "b", "c"]
    assert list(graph_cache._cache) == ["c", "b"]


def test_the_number_of_cached_models_is_limited(train, monkeypatch):
    """Graphs take memory, too, however small the model."""
    monkeypatch.setattr(graph_cache, "_MAX_MODELS", 1)
    for name in "abc":
        train(name, 1)

    assert list(graph_cache._cache) == ["b", "c"]


def test_clearing_earlier_runs_keeps_the_precision(train):
    """The dtype policy of the current run survives."""
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        train("a", 1)
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")
