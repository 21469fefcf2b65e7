"""The run whose model is wanted is found by any of its names, or the nearest is named."""

import logging
import uuid
from types import SimpleNamespace

import pytest
from mlflow.exceptions import MlflowException

from gym.config.schema import TrackingConfig
from gym.core.errors import RunError
from gym.runs.mlflow_client import open_tracking
from gym.runs.mlflow_log import PARENT, open_mlflow_run
from gym.runs.mlflow_lookup import equals, fetch_model_files, find_model_run

CONFIG = TrackingConfig()


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """One database for the tests of this file: making one takes seconds."""
    return tmp_path_factory.mktemp("outputs")


@pytest.fixture
def log(outputs):
    """Log a finished run; gives its id."""

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
    """Log a sweep of runs by their scores; gives the id of its parent, and theirs."""

    def log_sweep(name, scores, **options):
        parent = log(f"sweep {name}", sweep=name)
        tags = {PARENT: parent, "sweep": name}
        runs = [log(f"run {n}", iou=iou, job=str(n), **tags, **options) for n, iou in enumerate(scores)]
        return parent, runs

    return log_sweep


@pytest.fixture
def found(outputs):
    """The id of what is found."""
    return lambda wanted: find_model_run(CONFIG, outputs, wanted).info.run_id


def test_a_run_is_found_by_id_and_by_name(log, found):
    """Of several of one name the last that finished."""
    first, last = log("twice"), log("twice")
    log("twice", fails=True)

    assert found(first) == first
    assert found("twice") == last


def test_a_long_run_that_ended_last_is_the_last(outputs, log, found):
    """Whichever was started first: another of its name began and ended meanwhile."""
    with open_mlflow_run(CONFIG, outputs, "overlapping", {}, uuid.uuid4().hex) as long:
        log("overlapping")

    assert found("overlapping") == long.run_id


def test_an_unknown_run_is_refused_with_the_nearest(log, found):
    """A misspelt name finds its neighbour."""
    log("resunet cce f6")

    with pytest.raises(RunError, match=r"run=resunet ccf f6 is no run in sqlite:.*; the nearest is resunet cce f6\."):
        found("resunet ccf f6")


def test_an_empty_database_says_so(outputs):
    """Nothing to choose from: train first."""
    with pytest.raises(RunError, match="there is no finished run yet: train one"):
        find_model_run(TrackingConfig(experiment="empty"), outputs, "x")


def test_the_best_of_a_sweep_has_the_highest_validation_iou(sweep, log, found):
    """By the sweep's name, and by name or id of its parent; failed runs, those without a score and others count not."""
    parent, runs = sweep("coast", [0.3, 0.8, 0.5])
    tags = {"sweep": "coast", PARENT: parent}
    log("failed", iou=0.9, fails=True, **tags)
    log("given up", pruned="true", **tags)
    log("no number", iou=float("nan"), **tags)
    log("of no sweep", iou=0.95)
    sweep("another", [0.99])

    assert {found(f"best:{name}") for name in ("coast", "sweep coast", parent)} == {runs[1]}


def test_of_equal_runs_the_first_is_the_best(sweep, found):
    """So that it stays the same one."""
    _, runs = sweep("draw", [0.5, 0.7, 0.7])

    assert found("best:draw") == runs[1]


def test_of_sweeps_of_one_name_the_last_is_taken(sweep, found):
    """As of runs of one name."""
    sweep("twice", [0.9])
    _, runs = sweep("twice", [0.4, 0.6])

    assert found("best:twice") == runs[1]


@pytest.mark.parametrize("name", ["plage d'été", 'the "best" one', "100%", "a_b"])
def test_a_sweep_may_have_any_name(sweep, found, name):
    """Quotes and signs of a pattern among its letters find it, and nothing else."""
    sweep("100 more" if name == "100%" else "axb", [0.9])
    _, runs = sweep(name, [0.5])

    assert found(f"best:{name}") == runs[0]


def test_both_kinds_of_quotes_cannot_be_looked_for():
    """MLflow has no way to write them; an id has none."""
    assert (equals("name", "a'b"), equals("name", 'a"b')) == ('name = "a\'b"', "name = 'a\"b'")
    with pytest.raises(RunError, match="a'\"b holds both kinds of quotes, which MLflow cannot look for; give an id"):
        equals("name", "a'\"b")


def test_an_unknown_sweep_is_refused_with_the_nearest(sweep, found):
    """A misspelt name finds its neighbour; where there is none, how to make one."""
    sweep("pocket_matrix", [0.5])

    with pytest.raises(
        RunError, match=r"^run=best:poket_matrx is no sweep in sqlite:.*; the nearest is pocket_matrix\."
    ):
        found("best:poket_matrx")


def test_where_there_is_no_sweep_it_is_said_how_to_make_one(outputs):
    """Nothing to choose from."""
    with pytest.raises(RunError, match=r"; there is no sweep yet: run one with -m\.$"):
        find_model_run(TrackingConfig(experiment="empty"), outputs, "best:x")


def test_a_sweep_without_a_finished_run_is_refused(sweep, log, found):
    """Its one run failed."""
    parent, _ = sweep("begun", [])
    log("failed", iou=0.9, fails=True, sweep="begun", **{PARENT: parent})

    with pytest.raises(RunError, match=r"^run=best:begun has no finished run with a score yet; wait for one, or give"):
        found("best:begun")


def test_a_best_of_scores_that_do_not_compare_is_warned_of(sweep, log, found, caplog):
    """Runs that validate on other scenes; what trains may differ."""
    for name, key in (("folds", "split.fold"), ("shares", "split.training_share")):
        parent = log(f"sweep {name}", sweep=name)
        for value in ("0", "1"):
            log(f"{key} {value}", iou=0.5, params={key: value, "seed": value}, sweep=name, **{PARENT: parent})

    with caplog.at_level(logging.WARNING):
        found("best:folds")
        found("best:shares")

    said = "the runs of sweep folds validate on different scenes; the highest IoU may be of the easiest"
    assert [record.getMessage() for record in caplog.records if record.name == "gym.runs.mlflow_lookup"] == [said]


def test_more_runs_than_a_page_are_all_looked_at(sweep, found, monkeypatch):
    """MLflow gives them page by page."""
    monkeypatch.setattr("gym.runs.mlflow_lookup._PAGE", 2)
    _, runs = sweep("long", [0.1, 0.9, 0.3, 0.2, 0.5])

    assert found("best:long") == runs[1]


@pytest.fixture
def registered(log, outputs):
    """A model with two versions, one with an alias, and one version that no run made; gives the two runs."""
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
    """As MLflow writes them."""
    assert (found("models:/shore/1"), found("models:/shore@champion")) == registered


def test_a_registered_model_is_found_among_more_than_a_page(registered, found, outputs, monkeypatch):
    """As is the nearest name."""
    client, _ = open_tracking(CONFIG, outputs)
    for name in ("a first one", "a second one"):
        if not client.search_registered_models(equals("name", name)):
            client.create_registered_model(name)
    monkeypatch.setattr("gym.runs.mlflow_lookup._PAGE", 1)

    assert found("models:/shore@champion") == registered[1]
    with pytest.raises(RunError, match="run=models:/shor/1 is no registered model; the nearest is shore"):
        found("models:/shor/1")


@pytest.mark.parametrize(
    ("address", "message"),
    {
        "models:/shor@champion": r"run=models:/shor@champion is no registered model; the nearest is shore\.",
        "models:/shore@best": r"run=models:/shore@best is none of what shore has: @champion, /1, /2, /3; give one",
        "models:/shore/9": r"run=models:/shore/9 is none of what shore has: @champion, /1, /2, /3; give one of them\.",
        "models:/shore/3": r"run=models:/shore/3 was registered without a run; give the run itself\.",
    }.items(),
)
def test_an_unknown_registered_model_is_refused(registered, found, address, message):
    """With what there is."""
    with pytest.raises(RunError, match=f"^{message}"):
        found(address)


def test_where_no_model_is_registered_it_is_said_how_to(tmp_path_factory):
    """Nothing to choose from."""
    message = r"^run=models:/x@champion is no registered model; there is no registered model yet: publish a run\.$"
    with pytest.raises(RunError, match=message):
        find_model_run(CONFIG, tmp_path_factory.mktemp("fresh"), "models:/x@champion")


def test_a_model_on_this_machine_is_found_where_it_is(log, outputs, tmp_path):
    """Nothing is copied; what describes it stands beside it."""
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
    """A run whose artifacts seem to be on another machine; MLflow brings them by the run's id all the same."""
    (tmp_path / "files" / "model").mkdir(parents=True)
    for name in ("model/model.json", "config.yaml", "card.md", "contact_sheet.png"):
        (tmp_path / "files" / name).write_text(name)
    run = find_model_run(CONFIG, outputs, log("elsewhere", folder=tmp_path / "files"))
    return SimpleNamespace(data=run.data, info=SimpleNamespace(**{**dict(run.info), "artifact_uri": "s3://bucket/run"}))


def test_a_model_of_another_machine_is_brought(elsewhere, outputs, tmp_path):
    """With what describes it, and nothing else."""
    folder = fetch_model_files(CONFIG, outputs, elsewhere, tmp_path / "place")

    assert folder == tmp_path / "place"
    assert sorted(path.name for path in folder.rglob("*")) == ["card.md", "config.yaml", "model", "model.json"]
    assert (folder / "model" / "model.json").read_text() == "model/model.json"


def test_a_model_that_cannot_be_brought_is_refused(elsewhere, outputs, tmp_path, monkeypatch):
    """With MLflow's reason."""
    broken = MlflowException("no answer\nat all")
    monkeypatch.setattr("mlflow.artifacts.download_artifacts", lambda **_: (_ for _ in ()).throw(broken))

    with pytest.raises(RunError, match=r"the model of run=\w+ cannot be fetched \(no answer\); check tracking\.uri\.$"):
        fetch_model_files(CONFIG, outputs, elsewhere, tmp_path)


def test_a_run_without_a_model_is_refused(log, sweep, outputs):
    """With its name and status; of a sweep it is said how to choose one."""
    parent, _ = sweep("has none", [0.5])

    with pytest.raises(RunError, match=r"\(no model, FINISHED\) has no model in file:.*; choose a finished run\.$"):
        fetch_model_files(CONFIG, outputs, find_model_run(CONFIG, outputs, log("no model")), outputs)
    with pytest.raises(RunError, match=r"has no model in file:.*; it is a sweep, give run=best:has none\.$"):
        fetch_model_files(CONFIG, outputs, find_model_run(CONFIG, outputs, parent), outputs)
