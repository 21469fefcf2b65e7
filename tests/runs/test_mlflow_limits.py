"""Whatever a user may choose as a name or value fits MLflow, stays unique, and is read back."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.utils import validation

from gym.config.overrides import flatten, format_settings, parse_settings
from gym.config.schema import TrackingConfig
from gym.runs import mlflow_limits
from gym.runs.mlflow_limits import fit_key, fit_metric, fit_parameters, fit_tags, fit_text, in_calls
from gym.runs.mlflow_log import open_mlflow_run
from gym.runs.tracking_uri import tracking_uri

# Text as class names, labels, files and places have it, half surrogate pairs and control characters included.
ANY_TEXT = st.text(st.characters(codec=None), max_size=400) | st.sampled_from(
    [".", "..", "/", "../x", "a//b", "a/./b", "/a", "a/", "", " ", "surf (white)", "a\0b", "\ud800", "x" * 251, "a=b"]
)


@given(ANY_TEXT)
def test_any_name_becomes_a_key_that_mlflow_accepts(name):
    """It is accepted for metrics, parameters and tags, and converting it again changes nothing."""
    key = fit_key(name)

    validation._validate_metric(key, 1.0, 0, 0)
    validation._validate_param(key, "x")
    validation._validate_tag(key, "x")
    assert fit_key(key) == key


@given(st.lists(ANY_TEXT, unique=True, max_size=6))
def test_different_names_become_different_keys(names):
    """A hash distinguishes those that differ only in what MLflow rejects."""
    printed = {mlflow_limits.printable(name) for name in names}

    assert len({fit_key(name) for name in names}) >= len(printed) - 1  # four digits of a hash may collide


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("class_iou/wet sand-2.5:x", r"class_iou/wet sand-2\.5:x"),
        ("site_dice/plage d'été (n)", r"site_dice/plage d_été _n__[0-9a-f]{4}"),
        ("class_iou/../x", r"class_iou/x_[0-9a-f]{4}"),
        ("class_iou/.", r"class_iou_[0-9a-f]{4}"),
        ("y" * 300, r"y{245}_[0-9a-f]{4}"),
    ],
)
def test_a_key_keeps_what_can_be_kept(name, pattern):
    """Letters, digits, slashes, spaces and dots remain; special characters become underscores."""
    assert re.fullmatch(pattern, fit_key(name))


def test_the_limits_are_those_of_mlflow():
    """An update of MLflow may change them."""
    assert mlflow_limits.KEY == validation.MAX_ENTITY_KEY_LENGTH
    assert mlflow_limits.PARAMETER == validation.MAX_PARAM_VAL_LENGTH
    assert mlflow_limits.TAG == validation.MAX_TAG_VAL_LENGTH
    assert mlflow_limits.EXPERIMENT_NAME == validation.MAX_EXPERIMENT_NAME_LENGTH
    assert mlflow_limits.DATASET_NAME == validation.MAX_DATASET_NAME_SIZE
    assert mlflow_limits.DATASET_DIGEST == validation.MAX_DATASET_DIGEST_SIZE
    assert mlflow_limits.DATASET_SOURCE == validation.MAX_DATASET_SOURCE_SIZE
    assert mlflow_limits._PER_CALL <= validation.MAX_PARAMS_TAGS_PER_BATCH


@given(st.text(st.characters(codec=None), max_size=60), st.integers(1, 40))
def test_text_is_shortened_and_can_be_stored(text, length):
    """It is UTF-8 without NUL, and an ellipsis marks what was cut."""
    fitted = fit_text(text, length)

    assert len(fitted) <= length
    assert "\0" not in fitted.encode().decode()
    assert fitted == mlflow_limits.printable(text) or fitted.endswith("…")


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_characters=".\0"), min_size=1, max_size=20),
        st.sampled_from(["water", "wet sand", "1e3"]) | st.integers(0, 9),
        min_size=1,
        max_size=5,
    )
)
def test_a_remap_of_any_labels_is_read_back(remap):
    """Labels that MLflow would reject as part of a key do not change."""
    texts = fit_parameters(format_settings(flatten({"data": {"remap": remap}, "seed": 3})))
    settings = parse_settings(texts)

    assert settings.pop("seed") == 3
    found = settings.get("data.remap") or {key.removeprefix("data.remap."): value for key, value in settings.items()}
    assert found == remap


@pytest.mark.parametrize(("value", "logged"), [(0.5, 0.5), (math.inf, None), (-math.inf, None), (math.nan, None)])
def test_a_metric_is_finite_or_nan(value, logged):
    """MLflow's databases would turn infinity into the largest number."""
    fitted = fit_metric(value)

    assert math.isnan(fitted) if logged is None else fitted == logged


def test_entities_are_divided_among_calls():
    """In order, and none is lost."""
    assert [len(some) for some in in_calls(range(230))] == [100, 100, 30]
    assert [one for some in in_calls(range(230)) for one in some] == list(range(230))


def test_odd_names_and_values_are_logged_and_stored(tmp_path):
    """A run with all of them ends FINISHED in a real database."""
    odd = ["surf (white)", "..", "a/../b", "x" * 400, "half \ud800", "nul \0", "été", "a'b\"c", "=1+1", "🏖", " "]
    config = TrackingConfig()
    with open_mlflow_run(config, tmp_path, "n\0ame " * 100, {"t": "v" * 9000}, "attempt") as run:
        run.log_params(format_settings(flatten({"data": {"remap": dict.fromkeys(odd, 1)}, "long": "p" * 9000})))
        run.log_metrics({f"class_iou/{name}": 0.5 for name in odd} | {"a": math.nan, "b": math.inf})
        run.log_tags({name: name * 50 for name in odd})
        run.log_dataset(" ".join(f"archive-{n}.zip" * 9 for n in range(20)), "f" * 64, "s" * 70_000, "{}")

    stored = MlflowClient(tracking_uri(config, tmp_path)).get_run(run.run_id)
    assert stored.info.status == "FINISHED"
    assert len(stored.data.metrics) == len(odd) + 2
    assert {stored.data.metrics[fit_key(f"class_iou/{name}")] for name in odd} == {0.5}
    assert all(math.isnan(stored.data.metrics[name]) for name in "ab")
    assert len(stored.inputs.dataset_inputs[0].dataset.name) == mlflow_limits.DATASET_NAME


@given(st.dictionaries(ANY_TEXT, ANY_TEXT, max_size=4))
def test_all_tags_and_parameters_are_accepted(texts):
    """MLflow's own check of a batch agrees."""
    parameters, tags = fit_parameters(texts), fit_tags(texts)

    validation._validate_batch_log_data(
        [Metric(fit_key(key), 1.0, 0, 0) for key in texts],
        [Param(*item) for item in parameters.items()],
        [RunTag(*item) for item in tags.items()],
    )
