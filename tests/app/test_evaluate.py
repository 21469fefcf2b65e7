"""Evaluating trained models reproduces their scores, compares runs, and refuses mistakes in one line."""

import csv
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from filelock import FileLock, Timeout
from mlflow.tracking import MlflowClient

from gym.app.evaluate import EvaluatedModel, evaluate_runs, share_units
from gym.app.train import run_experiment
from gym.config.schema import TrackingConfig
from gym.core.errors import ConfigError, DataError, RunError
from gym.core.files import hash_file
from gym.data.units import Units
from gym.evaluation.scores import score_differences
from gym.evaluation.training_overlap import EvaluationSet
from gym.reporting.card.contents import read_contents
from gym.runs.model_archive import write_zip
from gym.runs.model_files import load_model
from gym.runs.result import read_result
from gym.runs.selection import assess_selection
from gym.runs.tracking_uri import tracking_uri
from gym.sweeps.sweep_folder import SweepFolder
from tests.golden import SETTINGS, SWEEP, copy_outputs

pytestmark = pytest.mark.usefixtures("blank_pictures")


@pytest.fixture(scope="module")
def outputs(golden_sweep, tmp_path_factory):
    """A copy of the golden sweep's outputs, because evaluating logs to MLflow; other runs are trained there, too."""
    return copy_outputs(golden_sweep.outputs, tmp_path_factory.mktemp("outputs"))


@pytest.fixture(scope="module")
def golden_results(outputs):
    """The results of the two runs of the golden sweep, which differ only in their seed."""
    folder = SweepFolder(outputs, SWEEP)
    return [read_result(folder.run_folder(job.fingerprint)) for job in folder.ledger.jobs()]


@pytest.fixture(scope="module")
def trained_results():
    """Results of the runs trained in this file, by their overrides."""
    return {}


@pytest.fixture
def trained(configure, outputs, trained_results):
    """Train a variant of the golden run; each variant is trained only once."""

    def train(*overrides):
        if overrides not in trained_results:
            trained_results[overrides] = run_experiment(configure(*SETTINGS, *overrides, f"outputs={outputs}"))
        return trained_results[overrides]

    return train


@pytest.fixture(scope="module")
def loaded_model():
    """Load each model only once, because its first prediction traces it; tests of load_model are elsewhere."""
    models = {}

    def load_once(folder):
        key = hash_file(folder / "model.keras")
        models[key] = models.get(key) or load_model(folder)
        return models[key]

    return load_once


@pytest.fixture
def evaluate(configure, outputs, loaded_model):
    """Evaluate with overrides; the page, whose pictures take most of the time, is written only if ``output`` is set."""

    def run(*overrides):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("gym.app.evaluate.load_model", loaded_model)
            if not any(override.startswith("output=") for override in overrides):
                patch.setattr("gym.app.evaluate.write_page", lambda *_: [])
            return evaluate_runs(configure(*overrides, f"outputs={outputs}", name="evaluate"))

    return run


def test_validation_scores_equal_those_of_training(golden_results, evaluate, tmp_path):
    """The confusion matrices are identical; another batch size changes rounding and the legacy scores."""
    result = golden_results[0]
    arguments = [f"run={result.run_id}", "side=validation", "baselines=false"]

    (found,) = evaluate(*arguments)
    (one_by_one,) = evaluate(*arguments, "batch=1")

    np.testing.assert_array_equal(found.counts.matrix, result.matrices)
    assert found.overall["iou"].value == pytest.approx(result.scores["iou"], abs=1e-12)
    assert found.overall["kld"].value == pytest.approx(result.scores["kld"], rel=1e-12)
    assert found.evaluation.legacy["iou"] == pytest.approx(result.scores["legacy/iou"])
    assert one_by_one.overall["iou"].value == pytest.approx(result.scores["iou"], abs=0.01)
    assert one_by_one.evaluation.legacy["iou"] != found.evaluation.legacy["iou"]


def test_all_results_are_written_and_logged(golden_results, evaluate, outputs, tmp_path):
    """Files that were in the folder before are not logged, and metrics are grouped by side."""
    result = golden_results[0]

    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("nobody's business")

    (found,) = evaluate(f"run={result.run_id}", f"output={tmp_path / 'out'}")

    assert found.side == "test"
    document = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert document["overall"]["iou"] == [*found.overall["iou"]]
    assert document["images"] == len(found.scenes) == 6
    assert document["baselines"]["contests"][0]["scores"]["majority"]["iou"][0] < 0.5
    with (tmp_path / "out" / "images.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["overall_accuracy"]) for row in rows] == pytest.approx(
        [np.trace(matrix) / matrix.sum() for matrix in found.counts.matrix]
    )
    page = (tmp_path / "out" / "evaluation.html").read_text()
    assert f"{found.overall['iou'].value:.3f}" in page
    assert "http://" not in page
    assert "https://" not in page
    client = MlflowClient(tracking_uri(TrackingConfig(), outputs))
    names = {item.path for item in client.list_artifacts(result.run_id, "evaluation/test")}
    assert names == {f"evaluation/test/{path.name}" for path in (tmp_path / "out").iterdir()} - {
        "evaluation/test/mine.txt"
    }
    metrics = client.get_run(result.run_id).data.metrics
    assert metrics["evaluate_test/iou"] == found.overall["iou"].value


def test_one_evaluation_at_a_time_writes_the_card(golden_results, evaluate, outputs, monkeypatch):
    """A lock prevents two evaluations from overwriting each other's card."""
    result, is_held = golden_results[0], []

    def check_lock(*_):
        with pytest.raises(Timeout):
            FileLock(outputs / ".card.lock").acquire(timeout=0)
        is_held.append(True)

    monkeypatch.setattr("gym.reporting.card.write.refresh_card", check_lock)
    evaluate(f"run={result.run_id}", "baselines=false")

    assert is_held == [True]


def test_the_temperature_is_fitted_on_the_validation_side(golden_results, evaluate):
    """For the validation side itself, a note says that the calibration looks better than it is."""
    result = golden_results[0]

    (test,) = evaluate(f"run={result.run_id}", "baselines=false")
    (validation,) = evaluate(f"run={result.run_id}", "side=validation", "baselines=false")

    assert test.temperature.value == pytest.approx(validation.temperature.value)
    assert "looks better than it is" in validation.temperature.origin
    assert "looks better than it is" not in test.temperature.origin
    calibrated, uncalibrated = (
        validation.overall[name].value for name in ("calibration_error_with_temperature", "calibration_error")
    )
    assert calibrated <= uncalibrated + 0.01


def test_runs_are_compared_on_the_same_images(golden_results, evaluate, tmp_path):
    """The results of the first run have its differences to the others, and each run has its own folder."""
    names = [result.run_id for result in golden_results]

    first, other = evaluate(f"run=[{','.join(names)}]", f"output={tmp_path}", "baselines=false", "workers=1")

    folders = sorted(path.parent for path in tmp_path.rglob("evaluation.json"))
    assert len(folders) == 2
    documents = {one["run"]["id"]: one for one in (json.loads((f / "evaluation.json").read_text()) for f in folders)}
    ((name, lead),) = documents[names[0]]["differences"].items()
    assert name == golden_results[1].name
    assert lead["iou"][0] == pytest.approx(first.overall["iou"].value - other.overall["iou"].value)
    assert documents[names[1]]["differences"] == {}
    assert sum((folder / "differences.png").exists() for folder in folders) == 1


def test_other_data_is_prepared_like_the_training_data(golden_results, evaluate, tmp_path):
    """All its images are evaluated, with the temperature fitted on the validation images of the run."""
    result = golden_results[0]

    (found,) = evaluate(f"run={result.run_id}", "data=synthetic", "data.scenes=5", "data.seed=3", "boundary_width=3")

    assert found.side == "all"
    assert len(found.scenes) == 5
    assert found.evaluation.predicted.shape[1:] == (32, 32)
    assert found.width == 3
    assert found.temperature.origin == "fitted on the validation images of the run"
    assert found.baselines.comparisons


def test_evaluating_training_images_causes_a_warning(golden_results, evaluate, tmp_path):
    """The page states how many images the model was trained on."""
    result = golden_results[0]
    evaluate(f"run={result.run_id}", "side=training", "baselines=false", f"output={tmp_path}")

    assert "the model was trained on 12 of these images" in (tmp_path / "evaluation.html").read_text()


def test_the_seed_affects_only_the_intervals(golden_results, evaluate):
    """Another seed gives other bootstrap draws, while the scores stay the same."""
    result = golden_results[0]
    one, two = (evaluate(f"run={result.run_id}", f"seed={seed}", "baselines=false")[0] for seed in (0, 1))

    assert one.overall["iou"].value == two.overall["iou"].value
    assert one.overall["iou"].low != two.overall["iou"].low


def test_an_unknown_run_is_refused_with_the_closest_match(golden_results, evaluate):
    with pytest.raises(RunError, match=r"run=unet cce f3 was not found in .*; the closest match is unet cce f2"):
        evaluate("run=unet cce f3")


def test_data_with_other_classes_or_bands_is_refused(golden_results, evaluate, tmp_path):
    """The error lists both sets of names and the remedy."""
    result = golden_results[0]
    folder = write_shores(tmp_path, 2)
    other = ["data=folder", f"data.images=[{folder}/images]", f"data.labels={folder}/labels", "data.classes=[sea,land]"]

    with pytest.raises(
        RunError,
        match=r"was trained with classes water, .*, other, but the data has sea, land; use",
    ):
        evaluate(f"run={result.run_id}", *other)
    other[-1] = "data.classes=[water,whitewater,sand,other]"
    with pytest.raises(
        RunError, match=r"was trained with bands red, .*, swir, but the data has red, green, blue; use data with"
    ):
        evaluate(f"run={result.run_id}", *other)


def write_shores(folder, count):
    """Write labelled PNGs with three bands and two classes, and return their folder."""
    for number in range(count):
        write_shore(folder, number)
    return folder


def write_shore(folder, number):
    """Write one labelled PNG."""
    from skimage.io import imsave

    random = np.random.default_rng(number)
    for kind, values in (("images", random.integers(1, 255, (40, 40, 3))), ("labels", random.integers(0, 2, (40, 40)))):
        (folder / kind).mkdir(exist_ok=True)
        imsave(folder / kind / f"shore{number}.png", values.astype(np.uint8), check_contrast=False)


@pytest.mark.trains
def test_an_empty_side_is_refused(trained, evaluate):
    """The error lists the number of images on each side; by default, validation replaces a missing test side."""
    result = trained("split.test=0")

    with pytest.raises(DataError, match=r"^side=test has no images \(training 18, valid"):
        evaluate(f"run={result.run_id}", "side=test")
    (found,) = evaluate(f"run={result.run_id}", "baselines=false")
    assert found.side == "validation"


@pytest.mark.trains
def test_runs_with_different_splits_are_not_compared(trained, golden_results, evaluate):
    """Some test images of one run are training images of the other."""
    names = [golden_results[0].run_id, trained("split.seed=5").run_id]

    with pytest.raises(
        RunError, match=r"would be evaluated on different images .*; train both with the same data and split"
    ):
        evaluate(f"run=[{','.join(names)}]")


def test_a_run_without_its_training_data_is_evaluated_on_other_data(golden_results, evaluate, monkeypatch):
    """Temperature and baselines are unavailable for a stated reason; without other data, the command is refused."""
    result = golden_results[0]

    def raise_missing(data, outputs):
        raise DataError("folder x is gone")

    monkeypatch.setattr("gym.app.training_data.open_or_build_dataset", raise_missing)

    with pytest.raises(
        DataError, match=r"^the training data of unet .* is unavailable \(folder x is gone\); choose other"
    ):
        evaluate(f"run={result.run_id}")
    (found,) = evaluate(f"run={result.run_id}", "data=synthetic", "data.scenes=4", "data.seed=3")
    assert np.isnan(found.temperature.value)
    assert "folder x is gone" in found.temperature.origin
    assert "folder x is gone" in found.baselines.descriptions["none"]
    assert found.warnings[0].startswith("it is unknown whether the model was trained on these images")


def test_the_training_data_is_recognised_by_its_fingerprint(golden_results, evaluate, tmp_path):
    """Even if given with ``data=``, it has the sides of training, and training images cause a warning."""
    result = golden_results[0]
    own = ["data=synthetic", "data.scenes=24", "data.sites=3"]

    (whole,) = evaluate(f"run={result.run_id}", *own, "baselines=false", f"output={tmp_path}")
    (tested,) = evaluate(f"run={result.run_id}", *own, "side=test", "baselines=false")
    (default,) = evaluate(f"run={result.run_id}", "baselines=false")

    assert whole.warnings[0] == "the model was trained on 12 of these images, which inflates its scores"
    assert "the model was trained on 12 of these images" in (tmp_path / "evaluation.html").read_text()
    assert whole.temperature.origin.endswith(
        "which include 6 of these images, so the calibration looks better than it is"
    )
    assert tested.evaluation.names == default.evaluation.names
    assert tested.warnings == []


@pytest.mark.trains
def test_changed_data_is_not_the_training_data(configure, evaluate, outputs, tmp_path):
    """With an additional image, the folder is another dataset, and all its images are evaluated."""
    folder = write_shores(tmp_path, 8)
    data = ["data=folder", f"data.images=[{folder}/images]", f"data.labels={folder}/labels", "data.classes=[sea,land]"]
    small = ["model.levels=1", "model.kernel=3", "filters=2", "training.epochs=1", "augment=none", "split.test=0.25"]
    result = run_experiment(configure("data.size=32", *data, *small, f"outputs={outputs}"))
    (before,) = evaluate(f"run={result.run_id}", "baselines=false")
    write_shore(folder, 99)

    changed = r"is unavailable \(.*images.* changed after training\); choose other data with data="
    with pytest.raises(DataError, match=changed):
        evaluate(f"run={result.run_id}", "baselines=false")
    (found,) = evaluate(f"run={result.run_id}", *data, "baselines=false")

    assert len(before.scenes) == 2
    assert len(found.scenes) == 9
    assert "changed after training" in found.temperature.origin


def test_an_archive_is_evaluated_on_given_data_without_opening_its_own(
    golden_results, evaluate, outputs, tmp_path, monkeypatch
):
    """Its own data is still recognised if given, and an invalid configuration is refused in one line."""
    result = golden_results[0]
    path = write_archive(outputs, result, tmp_path / "mine.zip")
    opened = []
    with monkeypatch.context() as patched:
        patched.setattr("gym.app.training_data.open_or_build_dataset", lambda *_: opened.append(1))
        (found,) = evaluate(f"run={path}", "data=synthetic", "data.scenes=4", "data.seed=3")
        own_data = ["data=synthetic", "data.scenes=24", "data.sites=3"]
        (own,) = evaluate(f"run={path}", *own_data, "side=test", "baselines=false")

    assert opened == []
    assert "the data of a model archive is opened only without data=" in found.temperature.origin
    assert own.temperature.origin == "fitted on the validation images of the run"
    with pytest.raises(RunError, match="are the same model; list it once"):
        evaluate(f"run=[{path},{result.run_id}]", "data=synthetic", "data.scenes=4", "data.seed=3")
    bad = write_archive(outputs, result, tmp_path / "bad.zip", ("kind: synthetic", "kind: no_such"))
    with pytest.raises(RunError, match=r"the configuration of .* cannot be read \(data.kind=no_such must be one of"):
        evaluate(f"run={bad}", "data=synthetic", "data.scenes=4")


def write_archive(outputs, result, path, change=("", "")):
    """Write the model archive of a run, with one replacement in its configuration."""
    contents = path.with_suffix("")
    shutil.copytree(Path(outputs) / "artifacts" / result.run_id / "artifacts", contents)
    config = contents / "config.yaml"
    assert change[0] in config.read_text()
    config.write_text(config.read_text().replace(*change) if change[0] else config.read_text())
    tags = {"data_fingerprint": json.loads((contents / "card.json").read_text())["data"]["fingerprint"]}
    (contents / "run.json").write_text(json.dumps({"name": "mine", "tags": tags}))
    write_zip(contents, path)
    return path


ELSEWHERE = ("data=synthetic", "data.scenes=12", "data.sites=4", "data.seed=3", "baselines=false")


@pytest.mark.trains
def test_intervals_redraw_the_unit_of_the_split(trained, evaluate, outputs, tmp_path):
    """A run split by site has one site on its test side, hence no interval; on other data, its sites are redrawn."""
    result = trained("split.by=site")

    (tested,) = evaluate(f"run={result.run_id}", "baselines=true", f"output={tmp_path / 'own'}")
    (other,) = evaluate(f"run={result.run_id}", *ELSEWHERE, f"output={tmp_path / 'other'}")

    assert (tested.units.kind, tested.units.number) == ("site", 1)
    lead = tested.baselines.comparisons[0].leads["majority"]
    for score in (*tested.overall.values(), *tested.images.values(), *tested.classes["water"].values(), lead):
        assert np.isnan(score[1:]).all()
    assert (other.units.kind, other.units.number, other.units.note) == ("site", 4, "")
    assert other.units.names == other.evaluation.sites
    assert other.overall["iou"].low < other.overall["iou"].value < other.overall["iou"].high
    assert all(np.isnan(scores["iou"][1:]).all() for scores in other.sites.values())
    documents = [json.loads((tmp_path / name / "evaluation.json").read_text()) for name in ("own", "other")]
    assert [one["units"] for one in documents] == [{"kind": "site", "number": number, "note": ""} for number in (1, 4)]
    assert documents[0]["overall"]["iou"][1:] == [None, None]
    pages = [(tmp_path / name / "evaluation.html").read_text() for name in ("own", "other")]
    assert "A single site has no interval." in pages[0]
    assert "bootstrap samples of the 4 sites of these 12 images" in pages[1]
    assert (result.unit_kind, len(set(result.unit_names))) == ("site", 1)
    card = read_contents(outputs / "artifacts" / result.run_id / "artifacts" / "card.json")
    assert [(side.unit_kind, side.units) for side in card.scores] == [("site", 1), ("site", 1)]


@pytest.mark.trains
def test_runs_with_different_units_are_compared_on_the_coarsest(trained, golden_results, evaluate, tmp_path):
    """Both are scored on the same draws of sites, and the page of each says why."""
    by_site, by_scene = trained("split.by=site"), golden_results[0]

    pair = f"run=[{by_scene.run_id},{by_site.run_id}]"
    first, other = evaluate(pair, *ELSEWHERE, f"output={tmp_path}")
    (alone,) = evaluate(f"run={by_scene.run_id}", *ELSEWHERE)

    assert first.units == other.units
    assert first.units.kind == "site"
    assert first.units.note == (
        "Evaluated alone, the compared runs would redraw scenes or sites; here all redraw the coarsest of these units."
    )
    assert alone.units.kind == "scene"
    assert alone.overall["iou"].value == first.overall["iou"].value
    assert alone.overall["iou"].low != first.overall["iou"].low
    pages = [path.read_text() for path in tmp_path.rglob("evaluation.html")]
    assert len(pages) == 2
    assert all(first.units.note in page for page in pages)
    differences = [json.loads(path.read_text())["differences"] for path in tmp_path.rglob("evaluation.json")]
    (found,) = (scores["iou"] for one in differences for scores in one.values())
    expected = score_differences(first.evaluation.sites, first.counts, other.counts, 0)["iou"]
    assert found == [*expected]


@pytest.mark.parametrize(("by", "kind"), [("site", "site"), ("date", "scene")])
def test_an_archive_is_evaluated_with_the_unit_of_its_training(golden_results, evaluate, outputs, tmp_path, by, kind):
    """Other data may not say their unit; a note says that scenes are redrawn instead."""
    archive = write_archive(outputs, golden_results[0], tmp_path / "mine.zip", ("by: scene", f"by: {by}"))

    (found,) = evaluate(f"run={archive}", *ELSEWHERE)

    assert found.units.kind == kind
    assert ("The split of the training kept every date together" in found.units.note) == (by == "date")


def model_with(name, units):
    """As much of an evaluated model as the choice of its units needs; its samples are in the order of ``units``."""
    pairs = [SimpleNamespace(name=image) for image in units]
    dataset = type("Pairs", (), {"manifest": SimpleNamespace(pairs=pairs), "__len__": lambda _: len(pairs)})()
    kind, names = name.split()[-1], list(units.values())
    images = EvaluationSet(dataset, range(len(pairs)), "all", None, 0, None, Units(kind, names))
    return EvaluatedModel(SimpleNamespace(name=name, short_id="f00d"), None, None, images)


def test_models_share_the_coarsest_units_image_by_image():
    """Each keeps the order of its images."""
    scenes = model_with("by scene", {"a": "1", "b": "2", "c": "3"})
    sites = model_with("by site", {"c": "elwha", "b": "duck", "a": "duck"})

    shared = [model.images.units for model in share_units([scenes, sites])]

    assert [units.kind for units in shared] == ["site", "site"]
    assert [units.names for units in shared] == [["duck", "duck", "elwha"], ["elwha", "duck", "duck"]]
    assert [model.images.units for model in share_units([scenes, scenes])] == [scenes.images.units] * 2


def test_models_whose_units_cross_are_not_compared():
    """The error names the units of each run."""
    sites = model_with("by site", {"a": "duck", "b": "duck", "c": "elwha"})
    dates = model_with("by date", {"a": "may", "b": "june", "c": "june"})

    with pytest.raises(
        RunError,
        match=r"^by site \(sites\) and by date \(dates\) cannot be compared, because their splits keep different units "
        r"together and neither contains the other; evaluate one run at a time\.$",
    ):
        share_units([sites, dates])


@pytest.mark.trains
def test_one_model_under_two_names_is_refused(trained, evaluate):
    """The run is given by its name and by its id."""
    result = trained("name=known twice")

    with pytest.raises(RunError, match="are the same model; list it once"):
        evaluate(f"run=[{result.name},{result.run_id}]")


@pytest.mark.trains
def test_runs_on_different_images_of_equal_names_are_not_compared(trained, golden_results, evaluate):
    """Images are identified by their pixels instead of their names."""
    names = [golden_results[0].run_id, trained("data.seed=1").run_id]

    with pytest.raises(RunError, match=r"would be evaluated on different images \(6 differ, .*; train both with"):
        evaluate(f"run=[{','.join(names)}]")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["run=[]"], r"^run=\[\] must be a run, or a list of runs as in run=\[one,other\]\.$"),
        (["run=[a,a]"], "must not repeat a run; list each run once"),
        (["run=gone.zip"], "run: gone.zip is not a file"),
        (["run=a", "batch=-1"], "batch=-1 must be at least 0"),
        (["run=a", "side=other"], "side=other must be one of auto, training"),
        (["run=a", "data=folder"], "data"),
    ],
)
def test_an_invalid_configuration_is_refused(configure, overrides, message):
    """The error comes before anything is imported or opened."""
    with pytest.raises(ConfigError, match=message):
        configure(*overrides, name="evaluate")


@pytest.mark.trains
def test_the_probabilities_of_a_sigmoid_head_are_normalised(trained, evaluate):
    """They sum to one in each pixel."""
    result = trained("model.head=sigmoid", "loss=dice")

    (found,) = evaluate(f"run={result.run_id}", "baselines=false")

    np.testing.assert_allclose(
        found.counts.probability_sums.sum(axis=1), found.counts.matrix.sum(axis=(1, 2)), rtol=1e-5
    )


def test_the_best_of_a_sweep_says_that_it_was_chosen_on_the_validation_images(golden_results, evaluate, tmp_path):
    """The warning has the optimism that the report on the sweep has; the card and the page repeat it."""
    selection = assess_selection(golden_results)

    (found,) = evaluate(f"run=best:{SWEEP}", "side=validation", "baselines=false", f"output={tmp_path}")

    assert selection.models == 2
    assert found.warnings[-1] == (
        "these images were used to choose the run among 2 models, which inflates its scores: a bootstrap estimates the "
        f"optimism of its mean IoU at {selection.optimism:.3f}"
    )
    document = json.loads((tmp_path / "evaluation.json").read_text())
    assert document["warnings"] == found.warnings
    assert document["selection"] == selection.to_json()
    page = (tmp_path / "evaluation.html").read_text()
    assert found.warnings[-1] in page
    assert "the best of 2 models by validation mean IoU" in page


def test_on_other_images_the_best_of_a_sweep_says_only_how_it_was_chosen(golden_results, evaluate, tmp_path, capsys):
    """The test side and other data had no part in the choice, so their scores are not inflated by it."""
    for number, side in enumerate((["side=test"], ["data=synthetic", "data.scenes=3", "data.seed=3"])):
        (found,) = evaluate(f"run=best:{SWEEP}", *side, "baselines=false", f"output={tmp_path / str(number)}")

        assert found.warnings == []
        assert " is the best of 2 models by validation mean IoU\n" in capsys.readouterr().out
        document = json.loads((tmp_path / str(number) / "evaluation.json").read_text())
        assert document["selection"]["models"] == 2
    (whole,) = evaluate(f"run=best:{SWEEP}", "side=all", "baselines=false")
    assert whole.warnings[-1] == (
        "6 of these images were used to choose the run among 2 models, which inflates its scores"
    )


def test_a_run_that_was_not_chosen_does_not_mention_a_choice(golden_results, evaluate, tmp_path, capsys):
    """Even if it is the best of its sweep, which is unknown if it is addressed by its id."""
    (found,) = evaluate(f"run={golden_results[0].run_id}", "side=validation", "baselines=false", f"output={tmp_path}")

    assert found.warnings == ["these images were used to select the best epoch, which slightly inflates the scores"]
    assert "selection" not in json.loads((tmp_path / "evaluation.json").read_text())
    assert "the best of" not in capsys.readouterr().out + (tmp_path / "evaluation.html").read_text()
