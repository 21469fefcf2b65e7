"""The two matrices of the paper: one follows its text, the other its configuration files, key by key."""

import csv
import json
import re
from dataclasses import asdict

import numpy as np
import pytest
import yaml
from mlflow import MlflowClient

from gym.config.groups import configuration_folder
from gym.config.legacy_keys import translate
from gym.config.overrides import flatten
from gym.data.build import open_or_build_dataset
from gym.data.labels import IGNORE
from gym.models.architectures import count_parameters
from gym.runs.result import read_result
from gym.sweeps.plan import expand_grid
from gym.sweeps.sweep_folder import SweepFolder
from gym.training.model_setup import standardization_layer
from tests.app.commands import run_here
from tests.models.outlines import build_outline
from tests.sweeps.coast_train_archive import CLASSES, SCENES, write_archive
from tests.sweeps.commands import complete

TEXT, FILES = "paper_matrix", "paper_matrix_2022"
# The options that an experiment chooses and that hold keys of the paper.
OPTIONS = {
    TEXT: ["augment/paper", "schedule/paper", "training/paper", "split/paper"],
    FILES: ["data/coast_train_2022", "augment/paper_2022", "schedule/paper", "training/paper", "split/paper"],
}
# Parameters at 512x512x5 by filters. The head has one weight per filter of the last level, and a bias, for each class.
COUNTS = {
    (TEXT, "unet"): {2: 251_236, 4: 1_002_692, 6: 2_254_372, 8: 4_006_276, 12: 9_010_756},
    (TEXT, "resunet"): {2: 388_772, 4: 1_550_436, 6: 3_484_996, 8: 6_192_452, 12: 13_926_052},
    (FILES, "unet"): {2: 251_241, 4: 1_002_701, 6: 2_254_385, 8: 4_006_293, 12: 9_010_781},
    (FILES, "resunet"): {2: 388_777, 4: 1_550_445, 6: 3_485_009, 8: 6_192_469, 12: 13_926_077},
}
FILE_NAMES = [
    *("ct_l8_resunet_512_remap_cat_3d", "ct_l8_resunet_512_remap_cat_5d"),
    *("ct_l8_unet_512_remap_dice_5d", "ct_l8_unet_512_remap_kld_largest_5d"),
]


@pytest.fixture
def composed(configure, tmp_path):
    """Compose an experiment on an archive that exists."""
    given = write_archive(tmp_path, scale=0.1)
    return lambda experiment, *more: configure(f"+experiment={experiment}", *given, *more)


def read(path):
    return (configuration_folder() / f"{path}.yaml").read_text(encoding="utf-8")


def swept(experiment):
    return yaml.safe_load(read(f"experiment/{experiment}"))["hydra"]["sweeper"]["params"]


@pytest.mark.parametrize("experiment", [TEXT, FILES])
def test_every_key_says_what_it_follows(experiment):
    """The comment names a section of the paper or a key of the configuration files, or says that there is none."""
    for path in [f"experiment/{experiment}", *OPTIONS[experiment]]:
        lines = [line for line in read(path).splitlines() if re.match(r" *(- override /)?\w+: \S", line)]
        assert len(lines) > 1
        for line in lines:
            comment = line.partition(" # ")[2]
            names_key = set(re.findall(r"\w+", comment)) & KEYS_OF_FILES
            is_stated = re.search(r"sections? \d|\bno (such )?key\b|^the published code|^the text ", comment)
            assert names_key or is_stated or line == "  mode: MULTIRUN", f"{path}: {line}"


KEYS_OF_FILES = {
    *("TARGET_SIZE", "MODEL", "NCLASSES", "KERNEL", "STRIDE", "BATCH_SIZE", "FILTERS", "N_DATA_BANDS", "DROPOUT"),
    *("DROPOUT_CHANGE_PER_LAYER", "DROPOUT_TYPE", "USE_DROPOUT_ON_UPSAMPLING", "LOSS", "PATIENCE", "MAX_EPOCHS"),
    *("VALIDATION_SPLIT", "RAMPUP_EPOCHS", "SUSTAIN_EPOCHS", "EXP_DECAY", "START_LR", "MIN_LR", "MAX_LR"),
    *("ROOT_STRING", "AUG_ROT", "AUG_ZOOM", "AUG_WIDTHSHIFT", "AUG_HEIGHTSHIFT", "AUG_HFLIP", "AUG_VFLIP"),
    *("AUG_COPIES", "REMAP_CLASSES"),
}
NOT_COMPARED = {"DO_TRAIN", "DOPLOT", "FILTER_VALUE", "USEMASK", "AUG_LOOPS"}  # without effect on these runs


@pytest.mark.parametrize("name", FILE_NAMES)
def test_the_matrix_of_2022_has_the_values_of_the_papers_files(real_data, composed, name):
    """Each key of a file either has the value of the experiment or is varied by it; only one file has three bands."""
    old = json.loads((real_data / "gym_configs" / f"{name}.json").read_text())
    assert set(old) == KEYS_OF_FILES | NOT_COMPARED
    translation, config = translate(old), composed(FILES)
    ours = flatten(asdict(config))

    assert str(translation.options["model"]) in swept(FILES)["model"].split(",")
    assert str(translation.options["loss"]) in swept(FILES)["loss"].split(",")
    assert str(translation.options["filters"]) in swept(FILES)["filters"].split(",")
    by_name = {"name", "data.size", "data.classes", "data.remap", "data.bands"}
    compared = {key: value for key, value in translation.values.items() if key not in by_name}
    assert compared == {key: ours[key] for key in compared}
    assert {key.partition(".")[0] for key in compared} >= {"model", "augment", "schedule", "training", "split"}
    assert [config.data.size] * 2 == old["TARGET_SIZE"]
    assert len(config.data.classes) == old["NCLASSES"]
    assert len(config.data.bands) == 5 == old["N_DATA_BANDS"] + 2 * name.endswith("3d")


@pytest.mark.parametrize("name", FILE_NAMES)
def test_labels_are_mapped_as_the_papers_files_do(real_data, composed, tmp_path, name):
    """The program labelled padding 0, added 1 to all other labels and then applied REMAP_CLASSES."""
    remap = json.loads((real_data / "gym_configs" / f"{name}.json").read_text())["REMAP_CLASSES"]

    dataset = open_or_build_dataset(composed(FILES, "data.workers=1").data, tmp_path / "out")

    classes = dataset.manifest.classes
    expected = {CLASSES[value]: classes[remap[str(value + 1)]] for value in range(len(CLASSES))}
    assert {name: list(of) for name, of in dataset.manifest.label_counts.items()} == {
        name: [label] for name, label in expected.items()
    }
    assert dataset.padding == remap["0"] == 0


def test_the_two_matrices_differ_in_four_keys(composed):
    """Nothing else depends on the source."""
    text, files = (flatten(asdict(composed(experiment))) for experiment in (TEXT, FILES))

    assert {key: (text[key], files[key]) for key in text if text[key] != files[key]} == {
        "augment.rotation": (3.0, 0.05),
        "data.classes": (
            ["water", "whitewater", "sand", "other"],
            ["padding", "water", "whitewater", "sand", "other"],
        ),
        "data.null_class": ("", "padding"),
        "data.standardize": ("image", "frame"),
    }
    assert swept(TEXT) == swept(FILES)


@pytest.mark.parametrize("experiment", [TEXT, FILES])
def test_a_matrix_has_the_thirty_models_of_the_paper(configure, tmp_path, experiment):
    """They vary in architecture, loss and filters only; groups can still be chosen."""
    given = write_archive(tmp_path, scale=0.1)
    jobs = expand_grid(swept(experiment), [])
    runs = [configure(f"+experiment={experiment}", *given, *job) for job in jobs]

    assert len({(run.model.name, run.loss.name, run.model.filters) for run in runs}) == 30
    assert {(run.model.kernel, run.model.dropout, run.training.batch, run.augment.copies) for run in runs} == {
        (7, 0.1, 8, 5)
    }
    other = configure(f"+experiment={experiment}", *given, "augment=none", "split=random", "schedule=quick")
    assert (other.augment.rotation, other.augment.mode, other.split.method) == (0.0, "online", "random")
    assert other.schedule.max_rate == 4e-3


@pytest.mark.parametrize(("experiment", "model"), list(COUNTS))
def test_the_matrices_have_these_parameter_counts(composed, experiment, model):
    """A fifth class adds one weight per filter of the last level, twice the filters of the first, and one bias."""
    data = composed(experiment).data
    for filters, count in COUNTS[experiment, model].items():
        config = composed(experiment, f"model={model}", f"model.filters={filters}").model
        shape = data.size, data.size, len(data.bands)

        assert count_parameters(build_outline(config, shape, len(data.classes))).total == count
        assert count == COUNTS[TEXT, model][filters] + (2 * filters + 1) * (experiment == FILES)


@pytest.mark.parametrize("experiment", [TEXT, FILES])
def test_padding_is_standardised_and_learnt_only_as_the_files_have_it(composed, tmp_path, experiment):
    """The text standardises a scene before it is padded, and has no class for padding."""
    dataset = open_or_build_dataset(composed(experiment, "data.size=64", "data.workers=1").data, tmp_path / "out")
    image, label = dataset.read_image(0).astype(np.float64), dataset.read_label(0)
    is_padding = ~image.any(axis=-1)
    standard = np.asarray(standardization_layer(composed(experiment).data.standardize, dataset, [0])(image[None]))[0]

    assert 0.9 < is_padding.mean() < 1
    counted = image if experiment == FILES else image[~is_padding]
    np.testing.assert_allclose(
        standard[~is_padding], (image[~is_padding] - counted.mean()) / counted.std(), rtol=1e-4, atol=1e-4
    )
    assert (np.abs(standard[is_padding]).min() > 0.1) == (experiment == FILES)
    assert set(np.unique(label[is_padding])) == {0 if experiment == FILES else IGNORE}
    assert set(np.unique(label[~is_padding])) == ({1, 2, 3, 4} if experiment == FILES else {0, 1, 2, 3})


def run_matrix(outputs, experiment, scale, *more):
    """Run both architectures of a matrix on a made-up archive, and return the results by architecture."""
    (outputs / "archive").mkdir(parents=True)
    given = write_archive(outputs / "archive", scale)
    wanted = ["model=unet,resunet", "loss=cce", "filters=2", "training.epochs=2", f"sweep.name={experiment}"]
    complete(outputs, f"+experiment={experiment}", *given, *wanted, *more)
    folder = SweepFolder(outputs, experiment)
    results = [read_result(folder.run_folder(job.fingerprint)) for job in folder.ledger.jobs()]
    return {result.settings["model.name"]: result for result in results}


def check_matrix(outputs, experiment, results, frame):
    """Check the results of `run_matrix`, and evaluate and report them."""
    assert set(results) == {"unet", "resunet"}
    for result in results.values():
        assert len(result.images) == 12  # 60 % of five copies of four scenes
        assert (len(result.classes), result.classes[0]) == ((5, "padding") if experiment == FILES else (4, "water"))
        assert (result.matrices.sum(axis=(1, 2)) == frame**2).all() == (experiment == FILES)
        assert ("legacy/iou_2022" in result.scores) == (experiment == FILES)
        assert {"legacy/iou", "legacy/dice_2022", "iou", "kld"} <= set(result.scores)
    runs = MlflowClient(f"sqlite:///{outputs / 'mlflow.db'}").search_runs(["1"])
    assert {run.data.tags["split"] for run in runs if "fingerprint" in run.data.tags} == {"paper (leaky)"}
    run = results["unet"].run_id
    for what in (f"sweep={experiment}", f"run={run}"):
        assert run_here("report", what, f"outputs={outputs}")[0] == 0
    page = evaluate(outputs, run, "side=validation") / "evaluation.html"
    assert ("the first class here is water" in page.read_text(encoding="utf-8")) == (experiment == TEXT)


def evaluate(outputs, run, *arguments):
    """Evaluate a run, and return the folder of the results."""
    folder = outputs / f"evaluation_{len(arguments)}"
    done = run_here("evaluate", f"run={run}", "baselines=false", f"output={folder}", f"outputs={outputs}", *arguments)
    assert done[0] == 0, done
    return folder


def check_other_data(outputs, results, frame):
    """Evaluate a run with a null class on scenes as if they were others: their padding counts, too."""
    given = [f"data.archives=[{outputs}/archive/L8.zip]", f"data.images=[{outputs}/archive/nir,{outputs}/archive/swir]"]
    given += ["data.bands=[red,green,blue,nir,swir]", "data.null_class=''"]

    folder = evaluate(outputs, results["unet"].run_id, "data=coast_train_2022", *given)

    with (folder / "images.csv").open(encoding="utf-8") as stream:
        assert [int(row["pixels"]) for row in csv.DictReader(stream)] == [frame**2] * len(SCENES)


@pytest.mark.trains
@pytest.mark.process
@pytest.mark.parametrize("experiment", [TEXT, FILES])
def test_a_matrix_runs_from_the_archive_to_its_report(blank_pictures, tmp_path, experiment):
    """At a sixteenth of the size, with one level."""
    small = ["data.size=32", "model.levels=1", "model.kernel=3", "training.precision=float32"]

    results = run_matrix(tmp_path, experiment, 1 / 16, *small)

    check_matrix(tmp_path, experiment, results, 32)
    if experiment == FILES:
        check_other_data(tmp_path, results, 32)


@pytest.mark.drill
@pytest.mark.parametrize("experiment", [TEXT, FILES])
def test_a_matrix_runs_at_full_size(blank_pictures, tmp_path, experiment):
    """Scenes of 512x512 pixels in the networks of the paper with 2 filters, for two epochs of one batch each."""
    results = run_matrix(tmp_path, experiment, 1.0)

    check_matrix(tmp_path, experiment, results, 512)
    for model, result in results.items():
        assert result.scores["parameters"] == COUNTS[experiment, model][2]
