"""The run of a model is found by any of its addresses, and errors name the closest match."""

import logging
import uuid
from types import SimpleNamespace

import pytest
from mlflow.exceptions import MlflowException

from gym.config.schema import TrackingConfig
from gym.core.errors import RunError
from gym.runs.mlflow_client import open_tracking
from gym.runs.mlflow_log import PARENT, open_mlflow_run
from gym.runs.mlflow_lookup import equality_filter, fetch_model_files, find_candidates, find_model_run

CONFIG = TrackingConfig()
EMPTY = TrackingConfig(experiment="empty")


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """One database for all tests of this file, because creating one takes seconds."""
    return tmp_path_factory.mktemp("outputs")


@pytest.fixture
def log(outputs):
    """Log a finished run and return its id."""

    def log_run(name, *, iou=None, params=(), folder=None, fails=False, **tags):
        try:
            with open_mlflow_run(CONFIG, outputs, name, tags, uuid.uuid4().hex) as run:
                run.log_metrics({} if iou is None else {"iou": iou})
                run.log_params(dict(params))
                if folder:
                    run.log_folder(folder)
                if fails:
                    raise ZeroDivisionError
        except ZeroDivisionError:
            pass
        return run.run_id

    return log_run


@pytest.fixture
def sweep(log):
    """Log a sweep of runs with these scores; return the id of its parent and the ids of the runs."""

    def log_sweep(name, scores, **options):
        parent = log(f"sweep {name}", sweep=name)
        tags = {PARENT: parent, "sweep": name}
        runs = [log(f"run {n}", iou=iou, job=str(n), **tags, **options) for n, iou in enumerate(scores)]
        return parent, runs

    return log_sweep


@pytest.fixture
def found(outputs):
    """Find a run and return its id."""
    return lambda wanted: find_model_run(CONFIG, outputs, wanted).info.run_id


def test_a_run_is_found_by_id_and_by_name(log, found, caplog):
    """If several finished runs share a name, the most recent one is used, and a warning says so."""
    first, last = log("twice"), log("twice")
    log("twice", fails=True)

    assert found(first) == first
    assert found("twice") == last
    assert caplog.messages == [f"run=twice is the name of 2 finished runs; using the latest, {last}"]


def test_the_most_recent_run_is_the_one_that_ended_last(outputs, log, found):
    """A long run counts as more recent than one that started and ended in the meantime."""
    with open_mlflow_run(CONFIG, outputs, "overlapping", {}, uuid.uuid4().hex) as long:
        log("overlapping")

    assert found("overlapping") == long.run_id


def test_an_unknown_run_is_refused_with_the_closest_match(log, found):
    """A misspelt name is recognised."""
    log("resunet cce f6")

    with pytest.raises(
        RunError, match=r"run=resunet ccf f6 was not found in sqlite:.*; the closest match is resunet cce f6\."
    ):
        found("resunet ccf f6")


def test_an_empty_database_suggests_training(outputs):
    """There is no finished run to suggest."""
    open_tracking(EMPTY, outputs)
    with pytest.raises(RunError, match="there is no finished run yet: train one"):
        find_model_run(EMPTY, outputs, "x")


def test_the_best_of_a_sweep_has_the_highest_validation_iou(sweep, log, found):
    """A sweep is named by itself or by its parent run; failed runs and runs without a score do not count."""
    parent, runs = sweep("coast", [0.3, 0.8, 0.5])
    tags = {"sweep": "coast", PARENT: parent}
    log("failed", iou=0.9, fails=True, **tags)
    log("given up", pruned="true", **tags)
    log("no number", iou=float("nan"), **tags)
    log("of no sweep", iou=0.95)
    sweep("another", [0.99])

    assert {found(f"best:{name}") for name in ("coast", "sweep coast", parent)} == {runs[1]}


def test_the_candidates_are_the_finished_runs_with_a_score(outputs, sweep, log):
    """The best is chosen among them."""
    parent, runs = sweep("beach", [0.3, 0.8])
    log("failed", iou=0.9, fails=True, sweep="beach", **{PARENT: parent})
    log("given up", pruned="true", sweep="beach", **{PARENT: parent})

    assert {run.info.run_id for run in find_candidates(CONFIG, outputs, "beach")} == set(runs)


def test_the_earliest_of_equal_runs_is_the_best(sweep, found):
    """The best run therefore does not change when a later run ties."""
    _, runs = sweep("draw", [0.5, 0.7, 0.7])

    assert found("best:draw") == runs[1]


def test_the_most_recent_sweep_of_a_name_is_used(sweep, found):
    """Runs of the same name are treated alike."""
    sweep("twice", [0.9])
    _, runs = sweep("twice", [0.4, 0.6])

    assert found("best:twice") == runs[1]


@pytest.mark.parametrize("name", ["plage d'été", 'the "best" one', "100%", "a_b"])
def test_a_sweep_may_have_any_name(sweep, found, name):
    """Quotes and wildcards in a name are taken literally."""
    sweep("100 more" if name == "100%" else "axb", [0.9])
    _, runs = sweep(name, [0.5])

    assert found(f"best:{name}") == runs[0]


def test_a_name_with_both_kinds_of_quotes_is_refused():
    """MLflow cannot escape quotes; an id contains none."""
    assert (equality_filter("name", "a'b"), equality_filter("name", 'a"b')) == ('name = "a\'b"', "name = 'a\"b'")
    with pytest.raises(
        RunError, match="a'\"b contains both kinds of quotes, which MLflow cannot search for; pass an id"
    ):
        equality_filter("name", "a'\"b")


def test_an_unknown_sweep_is_refused_with_the_closest_match(sweep, found):
    """A misspelt name is recognised."""
    sweep("pocket_matrix", [0.5])

    with pytest.raises(
        RunError, match=r"^run=best:poket_matrx was not found in sqlite:.*; the closest match is pocket_matrix\."
    ):
        found("best:poket_matrx")


def test_without_any_sweep_the_error_suggests_one(outputs):
    """There is no sweep to suggest."""
    open_tracking(EMPTY, outputs)
    with pytest.raises(RunError, match=r"; there is no sweep yet: run one with -m\.$"):
        find_model_run(EMPTY, outputs, "best:x")


def test_a_sweep_without_a_finished_run_is_refused(sweep, log, found):
    """Its only run failed."""
    parent, _ = sweep("begun", [])
    log("failed", iou=0.9, fails=True, sweep="begun", **{PARENT: parent})

    with pytest.raises(
        RunError, match=r"^run=best:begun: no run of this sweep has finished with a score; wait, or pass another run\.$"
    ):
        found("best:begun")


def test_a_warning_says_if_scores_are_not_comparable(sweep, log, found, caplog):
    """Runs of a sweep may differ in their training side, but not in their validation side."""
    for name, key in (("folds", "split.fold"), ("shares", "split.training_share")):
        parent = log(f"sweep {name}", sweep=name)
        for value in ("0", "1"):
            log(f"{key} {value}", iou=0.5, params={key: value, "seed": value}, sweep=name, **{PARENT: parent})

    with caplog.at_level(logging.WARNING):
        found("best:folds")
        found("best:shares")

    warning = (
        "the runs of sweep folds were validated on different scenes; the highest IoU may reflect the easiest scenes"
    )
    assert [record.getMessage() for record in caplog.records if record.name == "gym.runs.mlflow_lookup"] == [warning]


def test_all_pages_of_runs_are_searched(sweep, found, monkeypatch):
    """MLflow returns runs in pages."""
    monkeypatch.setattr("gym.runs.mlflow_lookup._PAGE", 2)
    _, runs = sweep("long", [0.1, 0.9, 0.3, 0.2, 0.5])

    assert found("best:long") == runs[1]


@pytest.fixture
def registered(log, outputs):
    """A model with two versions, one of them with an alias, and a version without a run; return the two run ids."""
    client, _ = open_tracking(CONFIG, outputs)
    if not client.search_registered_models("name = 'shore'"):
        client.create_registered_model("shore")
        for name in ("old", "new"):
            run = log(name)
            client.create_model_version("shore", f"file:///{name}", run)
        client.create_model_version("shore", "file:///elsewhere")
        client.set_registered_model_alias("shore", "champion", "2")
    made = {str(one.version): one.run_id for one in client.search_model_versions("name = 'shore'")}
    return made["1"], made["2"]


def test_a_registered_model_is_found_by_alias_and_by_version(registered, found):
    """The addresses are written as in MLflow."""
    assert (found("models:/shore/1"), found("models:/shore@champion")) == registered


def test_all_pages_of_registered_models_are_searched(registered, found, outputs, monkeypatch):
    """The closest match is searched on all pages, too."""
    client, _ = open_tracking(CONFIG, outputs)
    for name in ("a first one", "a second one"):
        if not client.search_registered_models(equality_filter("name", name)):
            client.create_registered_model(name)
    monkeypatch.setattr("gym.runs.mlflow_lookup._PAGE", 1)

    assert found("models:/shore@champion") == registered[1]
    with pytest.raises(RunError, match="run=models:/shor/1 was not found; the closest match is shore"):
        found("models:/shor/1")


@pytest.mark.parametrize(
    ("address", "message"),
    {
        "models:/shor@champion": r"run=models:/shor@champion was not found; the closest match is shore\.",
        "models:/shore@best": r"run=models:/shore@best is not a version of shore; pass one of @champion, /1, /2, /3\.",
        "models:/shore/9": r"run=models:/shore/9 is not a version of shore; pass one of @champion, /1, /2, /3\.",
        "models:/shore/3": r"run=models:/shore/3 was not registered from a run; pass the run itself\.",
    }.items(),
)
def test_an_unknown_registered_model_is_refused(registered, found, address, message):
    """The error names the choices."""
    with pytest.raises(RunError, match=f"^{message}"):
        found(address)


def test_without_any_registered_model_the_error_suggests_publishing(tmp_path_factory):
    """There is no model to suggest."""
    message = r"^run=models:/x@champion was not found; there is no registered model yet: publish a run\.$"
    fresh = tmp_path_factory.mktemp("fresh")
    open_tracking(CONFIG, fresh)
    with pytest.raises(RunError, match=message):
        find_model_run(CONFIG, fresh, "models:/x@champion")


@pytest.mark.parametrize("address", ["name", "0123456789abcdef", "best:sweep", "models:/shore@champion"])
def test_a_folder_without_a_database_is_refused_and_stays_empty(tmp_path, address):
    """Its name may be misspelt."""
    with pytest.raises(RunError, match=r"^outputs=.* has no mlflow\.db, so there are no runs; give the folder that"):
        find_model_run(CONFIG, tmp_path, address)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("address", ["name", "best:sweep"])
def test_an_unknown_experiment_is_refused_and_not_created(outputs, address):
    """The error lists those that exist."""
    for _ in range(2):
        with pytest.raises(RunError, match=r"^tracking\.experiment=misspelt does not exist; choose one of .*segsweep"):
            find_model_run(TrackingConfig(experiment="misspelt"), outputs, address)


def test_a_model_on_this_machine_is_used_in_place(log, outputs, tmp_path):
    """Nothing is copied, and the files that describe it are in the same folder."""
    (tmp_path / "model").mkdir()
    for name in ("model/model.json", "config.yaml", "other.txt"):
        (tmp_path / name).write_text(name)
    run = find_model_run(CONFIG, outputs, log("has a model", folder=tmp_path))
    (tmp_path / "place").mkdir()

    folder = fetch_model_files(CONFIG, outputs, run, tmp_path / "place")

    assert (folder / "model" / "model.json").read_text() == "model/model.json"
    assert (folder / "config.yaml").read_text() == "config.yaml"
    assert folder.as_uri() == run.info.artifact_uri
    assert not list((tmp_path / "place").iterdir())


@pytest.fixture
def elsewhere(log, outputs, tmp_path):
    """A run whose artifacts seem to be on another machine; MLflow downloads them by the id of the run."""
    (tmp_path / "files" / "model").mkdir(parents=True)
    for name in ("model/model.json", "config.yaml", "card.md", "contact_sheet.png"):
        (tmp_path / "files" / name).write_text(name)
    run = find_model_run(CONFIG, outputs, log("elsewhere", folder=tmp_path / "files"))
    return SimpleNamespace(data=run.data, info=SimpleNamespace(**{**dict(run.info), "artifact_uri": "s3://bucket/run"}))


def test_a_model_on_another_machine_is_downloaded(elsewhere, outputs, tmp_path):
    """The files that describe it are downloaded as well, other artifacts are not."""
    folder = fetch_model_files(CONFIG, outputs, elsewhere, tmp_path / "place")

    assert folder == tmp_path / "place"
    assert sorted(path.name for path in folder.rglob("*")) == ["card.md", "config.yaml", "model", "model.json"]
    assert (folder / "model" / "model.json").read_text() == "model/model.json"


def test_a_model_that_cannot_be_downloaded_is_refused(elsewhere, outputs, tmp_path, monkeypatch):
    """The error gives MLflow's reason."""
    broken = MlflowException("no answer\nat all")
    monkeypatch.setattr("mlflow.artifacts.download_artifacts", lambda **_: (_ for _ in ()).throw(broken))

    with pytest.raises(RunError, match=r"^MLflow at sqlite:.* cannot be used \(no answer\); check tracking\.uri\.$"):
        fetch_model_files(CONFIG, outputs, elsewhere, tmp_path)


def test_a_run_without_a_model_is_refused(log, sweep, outputs):
    """The error gives its name and status, and for a sweep how to address its best run."""
    parent, _ = sweep("has none", [0.5])

    with pytest.raises(RunError, match=r"\(no model, FINISHED\) has no model in file:.*; pass a finished run\.$"):
        fetch_model_files(CONFIG, outputs, find_model_run(CONFIG, outputs, log("no model")), outputs)
    with pytest.raises(RunError, match=r"has no model in file:.*; it is a sweep, so pass run=best:has none\.$"):
        fetch_model_files(CONFIG, outputs, find_model_run(CONFIG, outputs, parent), outputs)
