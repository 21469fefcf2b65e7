"""A model is restored from its files bit for bit, or refused with a reason."""

import json
import re
import shutil
import zipfile

import keras
import numpy as np
import pytest

from gym.config.spectral_index import Index, parse_index
from gym.core.errors import RunError
from gym.data.batches import ordered_batches
from gym.data.preparation import Preparation
from gym.data.scaling import Scaling
from gym.models.blocks import Standardize
from gym.models.layers import EveryOtherPixel
from gym.runs.model_files import ModelDescription, load_model, save_model
from tests.conftest import make_scenes, make_tiny_dataset


@pytest.fixture
def policy():
    """Set Keras' global dtype policy and restore it after the test."""
    before = keras.config.dtype_policy()
    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy(before)


def tiny_network(first=None):
    """A small network with standardisation, convolution, normalisation and three classes."""
    images = keras.Input((16, 32, 3))
    maps = keras.layers.Conv2D(4, 3, padding="same")((first or Standardize())(images))
    maps = keras.layers.UpSampling2D(2)(EveryOtherPixel()(keras.layers.BatchNormalization()(maps)))
    scores = keras.layers.Conv2D(3, 1, dtype="float32")(maps)
    network = keras.Model([images], keras.layers.Activation("softmax", dtype="float32", name="scores")(scores))
    rng = np.random.default_rng(0)
    for weight in network.weights:
        weight.assign(rng.uniform(0.1, 1, weight.shape))
    return network


def one_layer_network(bands=3):
    """The smallest network, for tests that read a file dozens of times."""
    images = keras.Input((16, 32, bands))
    return keras.Model(images, keras.layers.Conv2D(3, 1)(images))


def predict(model, images):
    """Probabilities without the graph that Keras' own prediction traces first."""
    return model([images], training=False).numpy()


@pytest.fixture(scope="module")
def images(tiny_dataset):
    """Two images of the dataset, as float32."""
    return next(iter(ordered_batches(tiny_dataset, [0, 1], 2)))[0].numpy().astype(np.float32)


@pytest.fixture(scope="module")
def network():
    return tiny_network()


@pytest.fixture(scope="module")
def saved(tmp_path_factory, network, tiny_dataset):
    """The network as files; read only."""
    folder = tmp_path_factory.mktemp("saved")
    save_model(network, tiny_dataset, folder)
    return folder


@pytest.fixture
def folder(tmp_path, saved):
    """A saved model that a test may damage."""
    return shutil.copytree(saved, tmp_path / "model")


def test_probabilities_are_restored_bit_for_bit(folder, network, images):
    """The file contains weights, statistics and standardisation."""
    back = load_model(folder).network

    np.testing.assert_array_equal(predict(back, images), predict(network, images))
    for ours, theirs in zip(network.weights, back.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_standardisation_is_in_the_saved_model(folder, images):
    """An image ten times as bright has the same probabilities, because the model standardises it."""
    back = load_model(folder).network

    assert any(isinstance(layer, Standardize) for layer in back.layers)
    scores = predict(back, images)
    np.testing.assert_allclose(predict(back, 10 * images), scores, atol=1e-4)
    assert np.ptp(scores) > 0.1


def test_the_description_is_saved_with_the_model(folder):
    """The preparation of images and the classes are stored as readable JSON."""
    description = load_model(folder).description

    preparation = Preparation((16, 32), "fit", 0.0, Scaling(), ("a", "b", "c"))
    assert description == ModelDescription(preparation, ["low", "middle", "high"])
    assert json.loads((folder / "model.json").read_text()) == {
        "preparation": {
            "frame": [16, 32],
            "framing": "fit",
            "overlap": 0.0,
            "scaling": {"method": "none", "low": 2.0, "high": 98.0, "factor": 1e-4, "offset": 0.0},
            "source_bands": ["a", "b", "c"],
            "indices": [],
        },
        "classes": ["low", "middle", "high"],
        "schema_version": 2,
    }


@pytest.mark.parametrize(
    "options",
    [
        {"framing": "tile", "overlap": 0.3},
        {"framing": "resize"},
        {"scaling": Scaling("reflectance", factor=2e-4, offset=-0.1)},
        {"scaling": Scaling("percentile", 1.5, 99.0)},
        {"source_bands": ("green", "nir", "c"), "indices": (parse_index("ndwi"), Index("sum", "green + c ** 2"))},
    ],
    ids=lambda options: "-".join(options),
)
def test_the_preparation_is_restored_completely(tmp_path, options):
    """Images are prepared in prediction exactly as in training."""
    dataset = make_tiny_dataset(tmp_path / "dataset", make_scenes(2), **options)
    save_model(one_layer_network(len(dataset.bands)), dataset, tmp_path / "model")

    preparation = load_model(tmp_path / "model").description.preparation

    assert preparation == dataset.manifest.preparation
    assert {name: getattr(preparation, name) for name in options} == options
    image = make_scenes(1, rows=40, columns=80)["pair0"].image
    prepared = preparation.prepare_image(image)
    np.testing.assert_array_equal(prepared, dataset.manifest.preparation.prepare_image(image))
    assert preparation.place_image(prepared) == dataset.manifest.preparation.place_image(prepared)


@pytest.mark.parametrize("method", ["band", "dataset", "none"])
def test_every_standardisation_is_restored(tmp_path, tiny_dataset, images, method):
    """Probabilities are restored bit for bit."""
    numbers = {"mean": [100.0, 20.0, 25.0], "deviation": [80.0, 10.0, 12.0]} if method == "dataset" else {}
    network = tiny_network(Standardize(method, **numbers))
    save_model(network, tiny_dataset, tmp_path)

    back = load_model(tmp_path).network

    assert (back.layers[1].method, back.layers[1].mean) == (method, numbers.get("mean"))
    np.testing.assert_array_equal(predict(back, images), predict(network, images))


def test_only_the_two_files_are_written(folder):
    """No temporary file remains."""
    assert sorted(path.name for path in folder.iterdir()) == ["model.json", "model.keras"]


def test_a_model_of_mixed_precision_is_restored_bit_for_bit(policy, tmp_path, tiny_dataset, images):
    """Layers keep bfloat16 under another policy, output and standardisation keep float32."""
    policy("mixed_bfloat16")
    mixed = tiny_network()
    expected = predict(mixed, images)
    save_model(mixed, tiny_dataset, tmp_path)

    policy("float32")
    back = load_model(tmp_path).network
    scores = predict(back, images)

    assert scores.dtype == np.float32
    np.testing.assert_array_equal(scores, expected)
    by_kind = {type(layer).__name__: layer.compute_dtype for layer in back.layers}
    assert (by_kind["Standardize"], by_kind["BatchNormalization"], by_kind["Activation"]) == (
        "float32",
        "bfloat16",
        "float32",
    )
    assert {weight.dtype for weight in back.weights} == {"float32"}
    assert (scores != predict(tiny_network(), images)).any()


def test_the_current_policy_does_not_affect_a_saved_model(policy, folder, network, images):
    """A float32 model that is read under a bfloat16 policy computes in float32."""
    expected = predict(network, images)
    policy("mixed_bfloat16")

    np.testing.assert_array_equal(predict(load_model(folder).network, images), expected)


def test_a_model_replaces_an_older_one(folder, tiny_dataset, images):
    """Reading returns the newer model."""
    newer = tiny_network()
    newer.layers[-2].kernel.assign(-newer.layers[-2].kernel)

    save_model(newer, tiny_dataset, folder)

    np.testing.assert_array_equal(predict(load_model(folder).network, images), predict(newer, images))


def test_a_failed_save_keeps_the_older_model(folder, network, tiny_dataset, images, monkeypatch):
    """A full disk loses only the new model."""

    def breaking(model, path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keras.Model, "save", breaking)

    with pytest.raises(OSError, match="No space left"):
        save_model(network, tiny_dataset, folder)

    assert sorted(path.name for path in folder.iterdir()) == ["model.json", "model.keras"]
    np.testing.assert_array_equal(predict(load_model(folder).network, images), predict(network, images))


def test_a_missing_folder_is_refused(tmp_path):
    """The error gives the folder, the reason and the remedy."""
    with pytest.raises(
        RunError, match=r"nowhere contains no readable model \(.*No such file or directory.*\); train the run again\.$"
    ):
        load_model(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["model.keras", "model.json"])
def test_a_missing_file_is_refused(folder, name):
    """A model needs both files."""
    (folder / name).unlink()

    with pytest.raises(RunError, match=r"model contains no readable model \(.+\); train the run again\.$"):
        load_model(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe{", b"{}", b'{"schema_version": 2}'])
def test_a_damaged_description_is_refused(folder, content):
    """It may be empty, truncated, of another type, not text, or incomplete."""
    (folder / "model.json").write_bytes(content)

    with pytest.raises(RunError, match=r"model contains no readable model \(.+\); train the run again\.$"):
        load_model(folder)


@pytest.mark.parametrize(
    ("where", "key", "reason"),
    [
        ([], "preparation", "preparation is missing from model.json"),
        ([], "classes", "classes is missing from model.json"),
        (["preparation"], "frame", "frame is missing from preparation"),
        (["preparation"], "scaling", "scaling is missing from preparation"),
        (["preparation"], "source_bands", "source_bands is missing from preparation"),
    ],
)
def test_an_incomplete_description_is_refused(folder, where, key, reason):
    """The error names the missing part, because the preparation is never guessed."""
    raw = json.loads((folder / "model.json").read_text())
    part = raw
    for name in where:
        part = part[name]
    del part[key]
    (folder / "model.json").write_text(json.dumps(raw))

    with pytest.raises(RunError, match=rf"contains no readable model \({reason}\); train the run again\.$"):
        load_model(folder)


@pytest.mark.parametrize("where", ["description", "preparation"])
def test_a_description_with_an_unknown_part_is_refused(folder, where):
    """Another version wrote it, and its meaning is unknown."""
    raw = json.loads((folder / "model.json").read_text())
    (raw if where == "description" else raw["preparation"])["gamma"] = 2
    (folder / "model.json").write_text(json.dumps(raw))

    with pytest.raises(
        RunError,
        match=r"readable model \('gamma' is an unknown field of (model\.json|preparation)\); train the run again\.$",
    ):
        load_model(folder)


@pytest.mark.parametrize(
    "damaged", [{"frame": 16}, {"frame": [16]}, {"scaling": []}, {"scaling": {"gamma": 2}}, {"indices": [{}]}]
)
def test_a_preparation_of_the_wrong_types_is_refused(folder, damaged):
    """Numbers, pairs, lists and mappings cannot replace each other."""
    raw = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(raw | {"preparation": raw["preparation"] | damaged}))

    with pytest.raises(RunError, match=r"contains no readable model \(.+\); train the run again\.$"):
        load_model(folder)


@pytest.mark.parametrize("version", [0, 1, 3, 99, "2", None])
def test_a_model_of_another_version_is_refused(folder, version):
    """The error gives both versions."""
    raw = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**raw, "schema_version": version}))

    with pytest.raises(
        RunError, match=rf"contains no readable model \(version {version} instead of 2\); train the run again\.$"
    ):
        load_model(folder)


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_network_is_refused(folder, share):
    """The file may end anywhere."""
    whole = (folder / "model.keras").read_bytes()
    (folder / "model.keras").write_bytes(whole[: int(share * len(whole))])

    with pytest.raises(RunError, match=r"model contains no readable model \(.+\); train the run again\.$"):
        load_model(folder)


@pytest.mark.parametrize("seed", range(5))
def test_a_flipped_byte_among_the_weights_is_refused(folder, seed):
    """A damaged weight is detected and never used."""
    path = folder / "model.keras"
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        weights = archive.getinfo("model.weights.h5")
    start = weights.header_offset + 30 + len(weights.filename)
    content[start + int(np.random.default_rng(seed).integers(weights.compress_size))] ^= 0xFF
    path.write_bytes(content)

    with pytest.raises(RunError, match=r"contains no readable model \(Bad CRC-32 for file 'model.weights.h5'\)"):
        load_model(folder)


@pytest.mark.parametrize("member", ["config.json", "model.weights.h5"])
def test_a_network_without_one_of_its_parts_is_refused(folder, member):
    """A network needs architecture and weights."""
    path = folder / "model.keras"
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist() if name != member}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)

    with pytest.raises(RunError, match=r"model contains no readable model \(.+\); train the run again\.$"):
        load_model(folder)


# Offsets in a directory entry of a zip: flags at 8, compression method at 10.
@pytest.mark.parametrize(
    ("offset", "value"), [(8, 1), (10, 8), (10, 12), (10, 14), (10, 99)], ids=lambda number: str(number)
)
def test_a_damaged_directory_is_refused(folder, offset, value):
    """The entry claims to be encrypted, or compressed by a wrong or unknown method."""
    path = folder / "model.keras"
    content = bytearray(path.read_bytes())
    content[directory_entries(content)["config.json"] + offset] = value
    path.write_bytes(content)

    with pytest.raises(RunError, match=r"model contains no readable model \(.+\); train the run again\.$"):
        load_model(folder)


@pytest.mark.parametrize("member", ["metadata.json", "config.json", "model.weights.h5"])
def test_a_damaged_byte_of_the_directory_is_refused_or_harmless(tmp_path, tiny_dataset, member):
    """Either the model has the correct weights, or an error gives the reason."""
    network = one_layer_network()
    save_model(network, tiny_dataset, tmp_path)
    path = tmp_path / "model.keras"
    whole = path.read_bytes()
    entry = directory_entries(whole)[member]
    reasons = []
    for offset in range(8, 46):
        content = bytearray(whole)
        content[entry + offset] ^= 0xFF
        path.write_bytes(content)
        try:
            back = load_model(tmp_path).network
        except RunError as error:
            reasons.append(str(error))
        else:
            for ours, theirs in zip(network.weights, back.weights, strict=True):
                np.testing.assert_array_equal(ours, theirs)
    assert reasons
    assert all("contains no readable model (" in reason for reason in reasons)


def directory_entries(archive):
    """The offset of each file's entry in the directory of a zip."""
    starts = [match.start() for match in re.finditer(rb"PK\x01\x02", archive)]
    return {archive[at + 46 : at + 46 + archive[at + 28]].decode(): at for at in starts}


def test_the_optimizer_is_not_saved(tiny_dataset, tmp_path):
    """A compiled network is saved like a bare one and can still be trained."""
    network = tiny_network()
    save_model(network, tiny_dataset, tmp_path / "bare")
    network.compile(optimizer="adam", loss="mse")
    network.optimizer.build(network.trainable_variables)

    save_model(network, tiny_dataset, tmp_path / "compiled")

    sizes = [(tmp_path / kind / "model.keras").stat().st_size for kind in ("bare", "compiled")]
    assert sizes[1] <= sizes[0] + 100
    assert network.optimizer is not None
