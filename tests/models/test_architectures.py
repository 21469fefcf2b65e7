"""The models: exact parameter counts, output shapes, and the effect of each option."""

import keras
import numpy as np
import pytest

from gym.config.registries import ARCHITECTURES
from gym.config.schema import ModelConfig
from gym.models.architectures import build_model, count_parameters
from gym.models.blocks import Standardize
from tests.models.outlines import build_outline

# Counted from the original code at 512x512x5 and 4 classes: filters -> total, not trainable.
PAPER_COUNTS = {
    "unet": {
        2: (251_236, 432),
        4: (1_002_692, 864),
        6: (2_254_372, 1_296),
        8: (4_006_276, 1_728),
        12: (9_010_756, 2_592),
    },
    "resunet": {
        2: (388_772, 912),
        4: (1_550_436, 1_824),
        6: (3_484_996, 2_736),
        8: (6_192_452, 3_648),
        12: (13_926_052, 5_472),
    },
}
# Counted from the source of the original's simple networks, with their defaults, at 512x512x5 and 4 classes.
SIMPLE_COUNTS = {
    "simple_unet": {2: (14_404, 368), 6: (124_900, 1_104), 8: (220_996, 1_472)},
    "simple_resunet": {2: (21_822, 728), 6: (186_922, 2_184), 8: (330_204, 2_912)},
}


def small(**options):
    return ModelConfig(**{"name": "unet", "filters": 2, "kernel": 3, "levels": 2} | options)


def predict(model, images):
    """Probabilities without the graph that Keras' own prediction traces first."""
    return model(images.astype(np.float32), training=False).numpy()


def layers_of(model, kind):
    return [layer for layer in model.layers if isinstance(layer, kind)]


@pytest.mark.parametrize(
    ("name", "filters", "counts"),
    [(name, filters, counts) for name, rows in PAPER_COUNTS.items() for filters, counts in rows.items()],
)
def test_parameter_counts_are_the_papers(name, filters, counts):
    """All ten models of the paper have its numbers of trainable and other parameters."""
    count = count_parameters(build_outline(ModelConfig(name=name, filters=filters), (512, 512, 5), 4))

    assert (count.total, count.total - count.trainable) == counts


@pytest.mark.parametrize(
    ("name", "filters", "counts"),
    [(name, filters, counts) for name, rows in SIMPLE_COUNTS.items() for filters, counts in rows.items()],
)
def test_the_simple_networks_have_the_parameter_counts_of_the_original(configure, name, filters, counts):
    """Choosing the option is enough."""
    config = configure(f"model={name}", f"model.filters={filters}").model
    count = count_parameters(build_outline(config, (512, 512, 5), 4))

    assert (count.total, count.total - count.trainable) == counts


def count_simple_by_hand(name, filters, kernel, bands, classes):
    """Add up the weights of a simple network of four levels from the widths of its blocks."""

    def pair(inputs, width):
        return kernel**2 * (inputs + width) * width + 2 * 4 * width

    def level(inputs, width):
        if name == "simple_unet":
            return pair(inputs, width)
        return pair(inputs, width) + pair(width, width) + (inputs + 1) * width + 4 * width

    widths = [filters * 2**depth for depth in range(5)]
    down = sum(level(inputs, width) for inputs, width in zip([bands, *widths], widths[:4], strict=False))
    up = sum(level(2 * width + width, width) for width in widths[:4])
    return down + pair(widths[3], widths[4]) + up + (filters + 1) * classes


@pytest.mark.parametrize("name", ["simple_unet", "simple_resunet"])
@pytest.mark.parametrize("kernel", [2, 3, 5])
def test_the_kernel_of_a_simple_network_can_be_changed(configure, name, kernel):
    """``model.kernel`` overrides the 2x2 of the option, for other bands and classes too."""
    config = configure(f"model={name}", f"model.kernel={kernel}", "model.filters=3").model

    count = count_parameters(build_outline(config, (64, 64, 3), 5))

    assert count.total == count_simple_by_hand(name, 3, kernel, bands=3, classes=5)


@pytest.mark.parametrize("name", ["simple_unet", "simple_resunet"])
def test_both_simple_networks_have_the_dropout_of_the_original(configure, name):
    """Single values are dropped at a rate of 0.1 in each encoder level and in the deepest one, none in the decoder."""
    model = build_outline(configure(f"model={name}").model, (64, 64, 5), 4)

    dropouts = layers_of(model, keras.layers.Dropout)

    a_level = 1 if name == "simple_unet" else 2
    assert [layer.rate for layer in dropouts] == [0.1] * (4 * a_level + 1)
    assert not any(isinstance(layer, keras.layers.SpatialDropout2D) for layer in dropouts)


@pytest.mark.parametrize(("name", "a_level"), [("simple_unet", 1), ("simple_resunet", 2)])
def test_the_dropout_of_a_simple_network_can_change_by_level(configure, name, a_level):
    """The deepest level, which is a plain pair, has one more step; the decoder mirrors the encoder if it drops."""
    options = ["model.dropout_change=0.05", "model.dropout_on_up=true"]
    model = build_outline(configure(f"model={name}", *options).model, (64, 64, 5), 4)

    rates = [layer.rate for layer in layers_of(model, keras.layers.Dropout)]

    down = [rate for rate in (0.1, 0.15, 0.2, 0.25) for _ in range(a_level)]
    assert rates == pytest.approx([*down, 0.3, *reversed(down)])


def test_every_registered_architecture_exists():
    """Each entry names a function that can be imported."""
    assert all(callable(entry.load()) for entry in ARCHITECTURES)


@pytest.mark.parametrize("name", ARCHITECTURES.names)
@pytest.mark.parametrize(("shape", "classes"), [((16, 48, 1), 2), ((32, 16, 7), 6)])
def test_probabilities_have_the_shape_of_the_image(name, shape, classes):
    """Any bands, classes and divisible sizes work; softmax probabilities sum to one."""
    model = build_model(small(name=name, levels=1), shape, classes)
    images = np.random.default_rng(0).uniform(0, 9, (2, *shape))

    probabilities = predict(model, images)

    assert probabilities.shape == (2, *shape[:2], classes)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1, rtol=1e-5)


@pytest.mark.parametrize("name", ARCHITECTURES.names)
def test_the_first_layer_standardises(name):
    """Every model begins with the given standardisation, or with that of the paper."""
    given = Standardize("dataset", [1.0, 2.0, 3.0], [1.0, 1.0, 2.0])
    one, other = (build_outline(small(name=name, levels=1), (16, 16, 3), 2, first) for first in (given, None))

    assert one.layers[1] is given
    assert isinstance(other.layers[1], Standardize)
    assert other.layers[1].method == "image"


def test_the_standardisation_decides_whether_brightness_matters():
    """Doubling the values changes the probabilities unless each image is standardised on its own."""
    images = np.random.default_rng(0).uniform(1, 9, (1, 16, 16, 3)).astype(np.float32)
    changes = {}
    for first in (Standardize(), Standardize("dataset", [5.0] * 3, [2.0] * 3), Standardize("none")):
        keras.utils.set_random_seed(1)
        model = build_model(small(levels=1), (16, 16, 3), 2, first)
        changes[first.method] = abs(predict(model, 2 * images) - predict(model, images)).max()

    assert changes["image"] < 1e-4
    assert min(changes["dataset"], changes["none"]) > 1e-3


@pytest.mark.parametrize("name", ARCHITECTURES.names)
def test_a_sigmoid_head_treats_each_class_independently(name):
    """As the paper's text describes, the probabilities need not sum to one."""
    model = build_model(small(name=name, head="sigmoid", levels=1), (16, 16, 3), 3)

    probabilities = predict(model, np.random.default_rng(0).uniform(0, 9, (1, 16, 16, 3)))

    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    assert abs(probabilities.sum(axis=-1) - 1).max() > 1e-3


@pytest.mark.parametrize("name", ARCHITECTURES.names)
def test_transpose_upsampling_replaces_nearest(name):
    """Each decoder level has a transposed convolution and no nearest-neighbour layer."""
    nearest = build_outline(small(name=name, decoder="plain"), (16, 16, 3), 2)
    transpose = build_outline(small(name=name, upsampling="transpose"), (16, 16, 3), 2)

    assert len(layers_of(nearest, keras.layers.UpSampling2D)) == 2
    assert len(layers_of(transpose, keras.layers.Conv2DTranspose)) == 2
    assert not layers_of(transpose, keras.layers.UpSampling2D)


def test_dropout_changes_by_level_and_is_off_in_the_decoder():
    """The encoder has rates 0.1 and 0.3; the bottleneck uses the last rate twice."""
    model = build_outline(small(dropout=0.1, dropout_change=0.2), (16, 16, 3), 2)

    rates = [layer.rate for layer in layers_of(model, keras.layers.Dropout)]
    assert rates == pytest.approx([0.1, 0.3, 0.3, 0.3])


def test_dropout_on_up_mirrors_the_rates_of_the_encoder():
    """With dropout_on_up the decoder uses the encoder's rates in reverse order."""
    model = build_outline(small(dropout=0.1, dropout_change=0.2, dropout_on_up=True), (16, 16, 3), 2)

    rates = [layer.rate for layer in layers_of(model, keras.layers.Dropout)]
    assert rates == pytest.approx([0.1, 0.3, 0.3, 0.3, 0.3, 0.1])


@pytest.mark.parametrize("name", ARCHITECTURES.names)
def test_spatial_dropout_drops_whole_channels(name):
    """dropout_kind=spatial applies to encoder and decoder."""
    model = build_outline(small(name=name, dropout_kind="spatial", dropout_on_up=True), (16, 16, 3), 2)

    dropouts = layers_of(model, keras.layers.Dropout)

    assert dropouts
    assert all(isinstance(layer, keras.layers.SpatialDropout2D) for layer in dropouts)


@pytest.mark.parametrize(("option", "value"), [("kernel", 5), ("levels", 3), ("filters", 4)])
def test_size_options_change_the_weights(option, value):
    """A larger kernel, another level or more filters mean more weights."""
    base = count_parameters(build_outline(small(), (32, 32, 3), 2)).total

    assert count_parameters(build_outline(small(**{option: value}), (32, 32, 3), 2)).total > base


def test_simple_models_use_max_pooling_and_no_bias():
    """The original's other family has he-normal weights and symmetric widths."""
    model = build_outline(small(name="simple_unet"), (16, 16, 3), 2)
    blocks = [layer for layer in layers_of(model, keras.layers.Conv2D) if layer.kernel_size == (3, 3)]

    assert len(layers_of(model, keras.layers.MaxPooling2D)) == 2
    assert not any(layer.use_bias for layer in blocks)
    assert [layer.filters for layer in blocks] == [2, 2, 4, 4, 8, 8, 4, 4, 2, 2]
    assert all(isinstance(layer.kernel_initializer, keras.initializers.HeNormal) for layer in blocks)


def test_the_seed_decides_the_weights():
    """Equal seeds give equal weights, and other seeds other weights."""
    first, again, other = (build_model(small(levels=1), (16, 16, 3), 2, seed=seed).get_weights() for seed in (1, 1, 2))

    assert all(np.array_equal(*pair) for pair in zip(first, again, strict=True))
    assert not all(np.array_equal(*pair) for pair in zip(first, other, strict=True))
