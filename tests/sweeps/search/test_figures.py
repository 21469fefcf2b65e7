"""The figures of a search show the contents of its study, and notes say what cannot be drawn."""

import re
from itertools import product

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from gym.sweeps.ledger import FAILED, FINISHED, Job
from gym.sweeps.search.figures import (
    compute_importance,
    draw_history,
    draw_importance,
    draw_parallel_coordinates,
    draw_pareto,
    draw_slices,
    write_search_report,
)
from gym.sweeps.search.study import OBJECTIVES
from gym.sweeps.search.sweeper import print_results

SPACE = {
    "schedule.max_rate": FloatDistribution(1e-4, 1e-1, log=True),
    "filters": CategoricalDistribution(["2", "4", "$8$"]),
    "model.kernel": IntDistribution(3, 7, step=2),
}
CHOSEN = [
    {"schedule.max_rate": 1e-4, "filters": "2", "model.kernel": 3},
    {"schedule.max_rate": 1e-3, "filters": "4", "model.kernel": 5},
    {"schedule.max_rate": 1e-2, "filters": "$8$", "model.kernel": 7},
    {"schedule.max_rate": 1e-1, "filters": "2", "model.kernel": 7},
]
MAXIMIZE_IOU = {"iou": "maximize"}
TWO = {"iou": "maximize", "parameters": "minimize"}


def study_of(objectives, *results, name="probe", chosen=CHOSEN):
    """A study whose trials chose what is in ``chosen``, over and over.

    A result is the values of a finished trial, the values by epoch of a pruned one, or None for a failed one.
    """
    study = optuna.create_study(study_name=name, directions=list(objectives.values()))
    study.set_user_attr(OBJECTIVES, objectives)
    for number, result in enumerate(results):
        what = {"params": chosen[number % len(chosen)], "distributions": SPACE}
        if result is None:
            what["state"] = TrialState.FAIL
        elif isinstance(result, dict):
            what |= {"state": TrialState.PRUNED, "intermediate_values": result}
        else:
            what["values"] = result
        study.add_trial(create_trial(**what))
    return study


def nothing_is_cut_off(figure):
    """Whether everything drawn is on the page, with a tolerance of a hundredth of an inch for line widths."""
    figure.draw_without_rendering()
    drawn = figure.get_tightbbox()
    return min(drawn.x0, drawn.y0) >= -0.01 and (drawn.max <= figure.bbox_inches.max + 0.01).all()


def line(axes, label):
    """Return the points of a line, found by its label."""
    (found,) = [one for one in axes.get_lines() if one.get_label() == label]
    return [(float(x), float(y)) for x, y in zip(*found.get_data(), strict=True)]


def panels(figure):
    """Return the visible axes except colour bars."""
    return [axes for axes in figure.axes if axes.axison and axes.get_label() != "<colorbar>"]


def test_the_history_shows_every_trial():
    """Pruned trials are shown at their last epoch, and failed ones are marked at the bottom."""
    study = study_of(MAXIMIZE_IOU, [0.3], {1: 0.1, 2: 0.2}, [0.5], None, [0.4])
    figure = draw_history(study)
    (axes,) = figure.axes

    assert line(axes, "finished") == [(0, 0.3), (2, 0.5), (4, 0.4)]
    assert line(axes, "best so far") == [(0, 0.3), (2, 0.5), (4, 0.5)]
    assert line(axes, "pruned, last epoch") == [(1, 0.2)]
    assert [x for x, _ in line(axes, "failed")] == [3]
    assert axes.get_title() == "iou"
    assert nothing_is_cut_off(figure)


def test_the_history_has_one_panel_per_objective():
    """The best so far follows the direction of each objective."""
    iou, parameters = draw_history(study_of(TWO, [0.3, 900], [0.5, 1000], [0.4, 800])).axes

    assert line(iou, "best so far") == [(0, 0.3), (1, 0.5), (2, 0.5)]
    assert line(parameters, "best so far") == [(0, 900), (1, 900), (2, 800)]


def test_slices_show_each_key_on_its_scale():
    """Scales are linear, logarithmic or categorical, like the distributions."""
    figure = draw_slices(study_of(MAXIMIZE_IOU, [0.3], [0.5], None, [0.4]))
    rate, filters, kernel = panels(figure)

    assert rate.get_xscale() == "log"
    np.testing.assert_allclose(rate.collections[0].get_offsets(), [(1e-4, 0.3), (1e-3, 0.5), (1e-1, 0.4)])
    np.testing.assert_allclose(filters.collections[0].get_offsets(), [(0, 0.3), (1, 0.5), (0, 0.4)])
    assert [label.get_text() for label in filters.get_xticklabels()] == ["2", "4", "$8$"]
    np.testing.assert_allclose(kernel.collections[0].get_offsets(), [(3, 0.3), (5, 0.5), (7, 0.4)])
    assert kernel.collections[0].get_array().tolist() == [0, 1, 3]
    assert [axes.get_xlabel() for axes in panels(figure)] == ["schedule.max_rate", "filters", "model.kernel"]
    assert nothing_is_cut_off(figure)


def test_slices_are_arranged_in_rows_of_four():
    """The rows of the second objective are below those of the first."""
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.set_user_attr(OBJECTIVES, TWO)
    space = {f"key{number}": FloatDistribution(0, 1) for number in range(6)}
    study.add_trial(create_trial(params=dict.fromkeys(space, 0.5), distributions=space, values=[0.5, 10]))
    figure = draw_slices(study)

    drawn = panels(figure)
    assert [axes.get_xlabel() for axes in drawn] == 2 * list(space)
    assert [axes.collections[0].get_offsets()[0, 1] for axes in drawn] == [0.5] * 6 + [10] * 6
    assert [axes.get_ylabel() for axes in drawn if axes.get_ylabel()] == ["iou", "iou", "parameters", "parameters"]
    assert nothing_is_cut_off(figure)


def test_importance_identifies_the_decisive_key():
    """A key that alone determines the value explains nearly all variance; the shares add up to one."""
    chosen = [
        dict(zip(SPACE, values, strict=True)) for values in product((1e-4, 5e-2, 1e-1), ("2", "4", "$8$"), (3, 5, 7))
    ]
    results = [[0.1 * len(one["filters"]), 1000.0 * one["model.kernel"]] for one in chosen]
    shares, notes = compute_importance(study_of(TWO, *results, chosen=chosen))

    assert notes == []
    assert list(shares) == ["iou", "parameters"]
    assert shares["iou"]["filters"] > 0.95
    assert shares["parameters"]["model.kernel"] > 0.95
    assert [sum(of_keys.values()) for of_keys in shares.values()] == pytest.approx([1, 1])


def test_importance_is_reproducible():
    """The random forest has a fixed seed."""
    study = study_of(MAXIMIZE_IOU, *([value] for value in (0.1, 0.5, 0.4, 0.3, 0.7, 0.2)))

    assert compute_importance(study) == compute_importance(study)


@pytest.mark.parametrize(
    ("results", "note"),
    [
        ([], "No importance for iou: 0 of at least 2 trials have finished."),
        ([[0.5], None, {1: 0.1}], "No importance for iou: 1 of at least 2 trials have finished."),
        ([[0.5], [0.5], [0.5]], "No importance for iou: it has the same value in all 3 finished trials."),
        ([[0.5], None, None, None, [0.6]], "No importance for iou: all 2 finished trials have the same parameters."),
    ],
)
def test_undefined_importance_has_a_note(results, note):
    """Importance requires differing values and parameters."""
    assert compute_importance(study_of(MAXIMIZE_IOU, *results)) == ({}, [note])


def test_importance_bars_share_one_order():
    """All panels use the order of the first objective."""
    shares = {"iou": {"b": 0.75, "a": 0.25}, "parameters": {"a": 1.0, "b": 0.0}}
    figure = draw_importance(shares, trials=12)
    iou, parameters = figure.axes

    assert [label.get_text() for label in iou.get_yticklabels()] == ["b", "a"]
    assert [bar.get_width() for bar in iou.patches] == [0.75, 0.25]
    assert [bar.get_width() for bar in parameters.patches] == [0.0, 1.0]
    assert figure.get_suptitle() == "Variance explained by each key (12 trials)"
    assert nothing_is_cut_off(figure)


def test_the_pareto_front_is_connected_and_labelled():
    """Dominated trials are shown separately."""
    study = study_of(TWO, [0.9, 900], [0.5, 100], [0.4, 200], None, [0.9, 800])
    figure = draw_pareto(study)
    (axes,) = figure.axes

    assert line(axes, "Pareto front") == [(0.5, 100), (0.9, 800)]
    assert line(axes, "dominated") == [(0.9, 900), (0.4, 200)]
    assert [text.get_text() for text in axes.texts] == ["1", "4"]
    assert nothing_is_cut_off(figure)


def test_a_report_of_two_objectives(tmp_path):
    """All figures are written, and the page loads nothing from the network."""
    study = study_of(TWO, [0.3, 900], [0.5, 1000], None, [0.4, 800], name="<b>bold</b>")

    assert write_search_report(tmp_path / "report", study) == []
    written = sorted(path.name for path in (tmp_path / "report").iterdir())
    assert written == ["history.png", "importance.png", "pareto.png", "search.html", "slices.png"]
    page = (tmp_path / "report" / "search.html").read_text(encoding="utf-8")
    assert "<h1>Search: &lt;b&gt;bold&lt;/b&gt;</h1>" in page
    assert "4 trials: 3 finished, 1 failed." in page
    headings = re.findall(r"<h2>([^<]+)</h2>", page)
    each = [f"{kind}: {name}" for name in TWO for kind in ("History", "Slices")]
    assert headings == [
        "Best",
        *each,
        "Parallel coordinates",
        "Importance: iou",
        "Importance: parameters",
        "Pareto front",
    ]
    assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)=", page)


def test_a_report_of_one_objective(tmp_path):
    """There is no Pareto front, and the page lists the parameters of the best trial."""
    study = study_of(MAXIMIZE_IOU, [0.3], [0.123456789], [0.5])

    assert write_search_report(tmp_path, study) == []
    assert not (tmp_path / "pareto.png").exists()
    page = (tmp_path / "search.html").read_text(encoding="utf-8")
    row = '<tr><td class="number">2</td><td class="number">0.5</td><td>0.01</td><td>$8$</td><td>7</td></tr>'
    assert row in page


def test_parallel_coordinates_have_an_axis_per_objective_and_key():
    """Choices are labelled by name, and logarithmic axes at their ends and powers of ten."""
    (drawn,) = draw_parallel_coordinates(study_of(TWO, [0.3, 900], None, [0.5, 1000])).data
    axes = {axis.label: axis for axis in drawn.dimensions}

    assert list(axes) == ["iou", "parameters", *SPACE]
    assert list(axes["iou"]["values"]) == [0.3, 0.5]
    assert list(axes["parameters"]["values"]) == [900, 1000]
    assert list(axes["schedule.max_rate"]["values"]) == [-4, -2]
    assert list(axes["schedule.max_rate"].ticktext) == ["0.0001", "0.001", "0.01", "0.1"]
    assert list(axes["schedule.max_rate"].tickvals) == [-4, -3, -2, -1]
    assert list(axes["filters"]["values"]) == [0, 2]
    assert list(axes["filters"].ticktext) == ["2", "4", "$8$"]
    assert list(axes["model.kernel"]["values"]) == [3, 7]
    assert [tuple(axes[key]["range"]) for key in SPACE] == [(-4, -1), (0, 2), (3, 7)]
    assert (list(drawn.line.color), drawn.line.reversescale) == ([0.3, 0.5], False)


def test_colours_follow_the_direction_of_the_first_objective():
    """The scale is reversed if the lowest value is best."""
    (drawn,) = draw_parallel_coordinates(study_of({"kld": "minimize"}, [0.3], [0.5])).data

    assert drawn.line.reversescale


def test_notes_appear_on_the_page(tmp_path):
    """They are also returned."""
    study = study_of(MAXIMIZE_IOU, [0.5], {1: 0.25})
    notes = write_search_report(tmp_path, study)

    assert notes == ["No importance for iou: 1 of at least 2 trials have finished."]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["history.png", "search.html", "slices.png"]
    page = (tmp_path / "search.html").read_text(encoding="utf-8")
    assert f'<p class="note">{notes[0]}</p>' in page
    assert "2 trials: 1 finished, 1 pruned." in page


@pytest.mark.parametrize(
    ("results", "counts"), [([], "No trial has ended."), ([None, {1: 0.1}], "2 trials: 1 pruned, 1 failed.")]
)
def test_a_report_without_finished_trials(tmp_path, results, counts):
    """The page states how many trials there are."""
    assert write_search_report(tmp_path, study_of(MAXIMIZE_IOU, *results)) == [
        "There are no figures because no trial has finished."
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["search.html"]
    assert counts in (tmp_path / "search.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(("objectives", "value"), [(MAXIMIZE_IOU, [0.5]), (TWO, [0.5, 1000.0])])
def test_the_best_trial_is_named_as_the_best_of_several(objectives, value, capsys):
    """Failed trials and copies of others were not chosen among, and a single finished trial was not chosen."""
    ends = (FINISHED, FINISHED, FAILED, FINISHED, FINISHED)
    jobs = [Job(number, fingerprint=f"{number % 4}", status=end) for number, end in enumerate(ends)]

    print_results(study_of(objectives, value, value, None, value, value), jobs, ["a finding"])
    several = capsys.readouterr().out
    print_results(study_of(objectives, value, None), [jobs[0], Job(1, fingerprint="1", status=FAILED)], [])

    assert several.splitlines()[-2:] == [
        "chosen among 3 finished trials, which makes validation scores optimistic",
        "a finding",
    ]
    assert "chosen among" not in capsys.readouterr().out
