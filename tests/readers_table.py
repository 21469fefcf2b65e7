"""Every reader of the program: how to write a file that it reads, how to damage it, and how to use what is read.

A new reader is one more line in `READERS`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from omegaconf import OmegaConf

from gym.app.import_config import import_experiment
from gym.config.schema import Config, ModelConfig
from gym.core.files import HashCache, write_json
from gym.data.batches import PairReader
from gym.data.dataset import Dataset
from gym.data.ground import pixel_size
from gym.data.labels import read_aliases
from gym.data.readers.archives import NpzFile, find_npz_files
from gym.data.readers.npz import decode_doodler, decode_gym
from gym.data.readers.raster import read_image, read_label
from gym.data.split import read_group_table, read_side_table
from gym.models.architectures import build_model
from gym.prediction.segment import segment
from gym.reporting.card.contents import write_contents
from gym.reporting.card.write import read_card, render_markdown
from gym.runs import run_folder
from gym.runs.model_archive import unpack_zip, write_zip
from gym.runs.model_files import load_model, save_model
from gym.runs.model_source import ModelSource, open_model_source
from gym.runs.result import read_result, write_result
from gym.sweeps.records import read_command
from gym.sweeps.sweep_folder import SweepFolder
from gym.training import checkpoint
from gym.training import precision as measured
from tests.conftest import make_scenes, make_tiny_dataset
from tests.data.imagery import draw_image, draw_label, make_doodler_npz, npz_bytes, save_image, save_tiff, save_zip
from tests.mutations import Damage, damage_bytes, damage_json, damage_json_lines, damage_member, mix
from tests.reporting.card.made_up import made_card, made_document
from tests.runs.test_result import RESULT

OLD = {"TARGET_SIZE": [768, 768], "MODEL": "resunet", "NCLASSES": 4, "KERNEL": 9, "STRIDE": 2, "BATCH_SIZE": 7}
OLD |= {"FILTERS": 6, "N_DATA_BANDS": 3, "DROPOUT": 0.1, "LOSS": "dice", "AUG_ROT": 5, "LOSS_WEIGHTS": [1, 2, 3, 4]}
OLD |= {"REMAP_CLASSES": {"0": 0, "1": 2}, "DO_TRAIN": True, "PATIENCE": 10, "ROOT_STRING": "coast", "MAX_EPOCHS": 20}


class ReaderCase(NamedTuple):
    """A reader.

    Attributes:
        write: Writes what the reader reads to a folder, and returns the file to damage.
        read: Reads it from the folder, and uses every part of it.
        damage: How to damage the file.
    """

    write: Callable[[Path], Path]
    read: Callable[[Path], Any]
    damage: Damage = damage_bytes


JSON = mix(damage_json, damage_json, damage_bytes)


def write_dataset(name: str) -> Callable[[Path], Path]:
    """Write a dataset, and return one of its files."""

    def write(folder: Path) -> Path:
        make_tiny_dataset(folder / "tiny", make_scenes(3))
        return folder / "tiny" / name

    return write


def use_dataset(folder: Path) -> None:
    """Read every pair, measure it, and map the values as training does."""
    dataset = Dataset(folder / "tiny")
    for position in range(len(dataset)):
        dataset.read_image(position), dataset.read_label(position), pixel_size(dataset.manifest.pairs[position])
    assert dataset.counts.sum() >= 0
    PairReader(dataset)(np.int32(0))


def write_run(name: str) -> Callable[[Path], Path]:
    """Write a result, and return one of its files."""

    def write(folder: Path) -> Path:
        write_result(folder, RESULT)
        return folder / name

    return write


def use_result(folder: Path) -> None:
    """Read the scores and units of a result."""
    result = read_result(folder)
    assert sum(result.scores.values()) is not None
    assert result.units.number >= 0


def make_json(name: str, value: Any) -> Callable[[Path], Path]:
    """Write a value as JSON."""

    def write(folder: Path) -> Path:
        write_json(folder / name, value)
        return folder / name

    return write


def make_bytes(name: str, content: bytes) -> Callable[[Path], Path]:
    """Write bytes."""

    def write(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return write


def write_ledger(folder: Path) -> Path:
    """Write the ledger of two runs."""
    ledger = SweepFolder(folder, "s").ledger
    for job in range(2):
        ledger.append("queued", job, name="a", fingerprint=f"{job}f", overrides=["model=unet"], work=2.0)
        ledger.append("started", job, epochs=2, epoch=0)
        ledger.append("epoch", job, epoch=1, iou=0.5)
    ledger.append("finished", 0, scores={"iou": 0.5}, run_id="f00d")
    ledger.append("failed", 1, message="no")
    return ledger.path


def use_ledger(folder: Path) -> None:
    """Replay the events."""
    sweep = SweepFolder(folder, "s")
    for job in sweep.ledger.jobs():
        assert job.elapsed(2e9) >= 0
        assert (job.seconds_per_epoch or 0) >= 0
        assert sweep.run_folder(job.fingerprint).is_relative_to(sweep.runs)
        assert f"{job.iou:.3f} {job.epoch / max(1, job.epochs)} {', '.join(job.overrides)}"
    sweep.ledger.describe_damage()


def small_model() -> Any:
    """A compiled model of three weights."""
    keras.utils.clear_session()
    images = keras.Input((16, 32, 3))
    model = keras.Model(images, keras.layers.Conv2D(3, 1)(images))
    model.compile(optimizer="adam", loss="mse", jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    return model


def write_checkpoint(folder: Path) -> Path:
    """Write both checkpoints of a model after two epochs."""
    model = small_model()
    epochs = [checkpoint.Epoch(number, 1e-3, 0.5, 0.1, 0.25, 0.3, 0.4) for number in (1, 2)]
    history = checkpoint.History(checkpoint.EarlyStopping(3, 0.25, 2, 2), epochs, 7.5)
    checkpoint.save_best(model, 2, folder)
    checkpoint.save_last(model, history, folder)
    return folder / "last.npz"


def use_checkpoint(folder: Path) -> None:
    """Resume from the checkpoints."""
    assert checkpoint.read_last_epoch(folder) >= 0
    model = small_model()
    checkpoint.settle_best(folder)
    checkpoint.load_best(model, folder)
    assert checkpoint.load_last(model, folder).is_finished(5) in (True, False)


def write_model(name: str) -> Callable[[Path], Path]:
    """Write a model, and return one of its files."""

    def write(folder: Path) -> Path:
        dataset = make_tiny_dataset(folder / "tiny", make_scenes(2))
        network = build_model(ModelConfig(filters=2, levels=1), (16, 32, 3), 3)
        save_model(network, dataset, folder / "model")
        return folder / "model" / name

    return write


def use_model(folder: Path) -> None:
    """Predict an image."""
    segment(load_model(folder / "model"), np.ones((20, 30, 3), np.uint8))


def write_archive(folder: Path) -> Path:
    """Write a model archive."""
    write_model("model.keras")(folder / "new")
    write_json(folder / "new" / "run.json", {"name": "unet", "tags": {"data_fingerprint": "f00d"}})
    (folder / "new" / "config.yaml").write_text(OmegaConf.to_yaml(OmegaConf.structured(Config)))
    write_zip(folder / "new", folder / "model.zip")
    return folder / "model.zip"


def use_archive(folder: Path) -> None:
    """Open the archive and its model."""
    with open_model_source(Config().tracking, folder, str(folder / "model.zip")) as source:
        load_model(source.folder / "model")
        source.read_config()


def repack(name: str, damage: Damage) -> Damage:
    """Return a function that damages one file of a model archive, and corrects its checksum."""

    def damage_archive(content: bytes, random: Any) -> bytes:
        import tempfile

        with tempfile.TemporaryDirectory() as scratch:
            (Path(scratch) / "old.zip").write_bytes(content)
            unpack_zip(Path(scratch) / "old.zip", Path(scratch) / "parts")
            part = Path(scratch) / "parts" / name
            part.write_bytes(damage(part.read_bytes(), random))
            write_zip(Path(scratch) / "parts", Path(scratch) / "new.zip")
            return (Path(scratch) / "new.zip").read_bytes()

    return damage_archive


def made_source(folder: Path) -> ModelSource:
    """A model with the files in a folder."""
    return ModelSource("unet", "a test", folder, "f00d")


def write_config(folder: Path) -> Path:
    """Write the configuration of a run."""
    config = Config()
    config.data.kind, config.data.classes = "synthetic", []
    (folder / "config.yaml").write_text(OmegaConf.to_yaml(OmegaConf.structured(config)))
    return folder / "config.yaml"


def write_card_contents(folder: Path) -> Path:
    """Write a card with an evaluation."""
    write_contents(folder / "card.json", made_card(evaluations={"evaluation/test": made_document()}))
    return folder / "card.json"


def write_image(name: str, **options: Any) -> Callable[[Path], Path]:
    """Write an image; the ending chooses the format."""

    def write(folder: Path) -> Path:
        values = draw_image(0)
        if name.endswith(".tif"):
            save_tiff(folder / name, values, **options)
        else:
            save_image(folder / name, values)
        return folder / name

    return write


def write_label(folder: Path) -> Path:
    """Write a label."""
    save_image(folder / "label.png", draw_label(0))
    return folder / "label.png"


def write_zip_of_npz(folder: Path) -> Path:
    """Write a zip of two npz files."""
    save_zip(folder / "all.zip", {f"{n}.npz": make_doodler_npz(draw_image(n), draw_label(n)) for n in range(2)})
    return folder / "all.zip"


def use_zip_of_npz(folder: Path) -> None:
    """Decode every npz."""
    for npz in find_npz_files([folder / "all.zip"]).files.values():
        decode_doodler(npz)


def use_plugins(folder: Path) -> None:
    """Start another run with the same plugin."""
    write_json(folder / "runs" / "a" / "attempt.json", {"attempt": "a"})
    run_folder.write_plugins(folder / "runs" / "b", {"p": "2" * 64}, "u")


def use_attempt(folder: Path) -> None:
    """Look for the data type of an interrupted attempt, and resume it."""
    run_folder.find_precision(folder / "runs" / "b", "f00d")
    with run_folder.hold_run_folder(folder / "runs" / "a", {"precision": "float32", "threads": 2}, True) as attempt:
        assert attempt.name.isalnum()


def use_metadata(folder: Path) -> None:
    """Continue a sweep."""
    sweep = SweepFolder(folder, "s")
    known = sweep.read_metadata()
    assert "'" not in known.get("attempt", "")
    sweep.initialize("hash", known.get("is_search", False), known.get("plugins"), known.get("clips", []))


def use_measurements(folder: Path) -> None:
    """Choose a data type."""
    for entry in measured._read_cache(folder / "precision.json").values():
        assert measured.fastest(entry["seconds"]) in ("float32", "mixed_bfloat16")
        measured.describe_seconds(entry["seconds"], {"gpus": "", "processor": "p", "threads": "2"})


METADATA = {"version": 1, "validation": "hash", "is_search": False, "clips": [False], "made_by": "0.2.0"}
METADATA |= {"attempt": "f00d", "run_id": "f00d", "precision": "float32", "precision_measured": "3 ms"}
SIDES = {"training": ["a", "b"], "validation": ["c"], "test": []}
GYM_NPZ = npz_bytes(arr_0=draw_image(0), arr_1=draw_label(0))
DOODLER_NPZ = make_doodler_npz(draw_image(0), draw_label(0))
MULTIRUN = (
    b"hydra:\n  overrides:\n    hydra:\n    - hydra.mode=MULTIRUN\n    task:\n    - filters=2,4\n    - name=a b\n"
)
MEASURED = {"a": {"machine": {}, "seconds": {"float32": [1.0, 1.1], "mixed_bfloat16": [0.5, 0.6]}}}
CSV = b'name,scene,site\na,1,"x, y"\nb.png,2,z\n'

READERS: dict[str, ReaderCase] = {
    "manifest of a dataset": ReaderCase(write_dataset("manifest.json"), use_dataset, JSON),
    "images of a dataset": ReaderCase(write_dataset("images.npy"), use_dataset),
    "labels of a dataset": ReaderCase(write_dataset("labels.npy"), use_dataset),
    "result": ReaderCase(write_run("result.json"), use_result, JSON),
    "confusion matrices": ReaderCase(write_run("matrices.npy"), use_result),
    "ledger": ReaderCase(write_ledger, use_ledger, mix(damage_json_lines, damage_json_lines, damage_bytes)),
    "sweep.json": ReaderCase(make_json("sweeps/s/sweep.json", METADATA), use_metadata, JSON),
    "multirun.yaml": ReaderCase(
        lambda folder: make_bytes("multirun.yaml", MULTIRUN)(make_folder(folder / "sweeps/s")),
        lambda folder: read_command(SweepFolder(folder, "s")),
    ),
    "attempt": ReaderCase(
        make_json("runs/a/attempt.json", {"attempt": "a", "precision": "float32", "requested": "f00d"}),
        use_attempt,
        JSON,
    ),
    "plugins of a run": ReaderCase(
        make_json("runs/a/plugins.json", {"plugins": {"p": "1" * 64}, "unversioned": "u"}), use_plugins, JSON
    ),
    "last checkpoint": ReaderCase(
        write_checkpoint, use_checkpoint, mix(damage_bytes, damage_member("notes.npy", damage_bytes))
    ),
    "best checkpoint": ReaderCase(
        lambda folder: write_checkpoint(folder).with_name("best.npz"),
        use_checkpoint,
        mix(damage_bytes, damage_member("0000.npy", damage_bytes)),
    ),
    "description of a model": ReaderCase(write_model("model.json"), use_model, JSON),
    "network of a model": ReaderCase(
        write_model("model.keras"),
        use_model,
        mix(damage_bytes, damage_member("config.json", damage_json), damage_member("metadata.json", damage_json)),
    ),
    "model archive": ReaderCase(
        write_archive,
        use_archive,
        mix(damage_bytes, repack("run.json", damage_json), repack("config.yaml", damage_bytes)),
    ),
    "configuration of a run": ReaderCase(write_config, lambda folder: made_source(folder).read_config()),
    "split of a run": ReaderCase(make_json("split.json", SIDES), lambda folder: made_source(folder).read_split(), JSON),
    "card": ReaderCase(write_card_contents, lambda folder: render_markdown(read_card(folder / "card.json")), JSON),
    "hashes of files": ReaderCase(
        make_json("hashes.json", {"/a": [1, 2, 3, "f00d"]}),
        lambda folder: HashCache(folder / "hashes.json").sha256(Path(__file__)),
        JSON,
    ),
    "measured data types": ReaderCase(make_json("precision.json", MEASURED), use_measurements, JSON),
    "aliases": ReaderCase(
        make_json("aliases.json", {"aliases": {"surf": "whitewater"}}),
        lambda folder: read_aliases(folder / "aliases.json"),
        JSON,
    ),
    "table of groups": ReaderCase(make_bytes("t.csv", CSV), lambda folder: read_group_table(folder / "t.csv")),
    "table of sides": ReaderCase(
        make_bytes("s.csv", b"\xef\xbb\xbfname,side\na,train\nb,val\n"),
        lambda folder: read_side_table(folder / "s.csv"),
    ),
    "old configuration": ReaderCase(
        make_json("old.json", OLD),
        lambda folder: import_experiment(folder / "old.json", folder / "conf", "old", overwrite=True),
        JSON,
    ),
    "PNG image": ReaderCase(write_image("a.png"), lambda folder: read_image(folder / "a.png")),
    "JPEG image": ReaderCase(write_image("a.jpg"), lambda folder: read_image(folder / "a.jpg")),
    "TIFF image": ReaderCase(write_image("a.tif"), lambda folder: read_image(folder / "a.tif")),
    "label": ReaderCase(write_label, lambda folder: read_label(folder / "label.png")),
    "Doodler npz": ReaderCase(
        make_bytes("a.npz", DOODLER_NPZ),
        lambda folder: decode_doodler(NpzFile(folder / "a.npz")),
        mix(damage_bytes, damage_member("label.npy", damage_bytes), damage_member("classes.npy", damage_bytes)),
    ),
    "Segmentation Gym npz": ReaderCase(
        make_bytes("a.npz", GYM_NPZ),
        lambda folder: decode_gym(NpzFile(folder / "a.npz")),
        mix(damage_bytes, damage_member("arr_0.npy", damage_bytes)),
    ),
    "zip of npz files": ReaderCase(write_zip_of_npz, use_zip_of_npz),
}


def make_folder(folder: Path) -> Path:
    """Create a folder and return it."""
    folder.mkdir(parents=True)
    return folder
