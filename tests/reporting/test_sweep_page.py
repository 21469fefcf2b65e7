"""The report on a sweep shows the numbers of its results, says what is missing, and needs no network."""

import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from plotly.offline import get_plotlyjs

from gym.reporting.figure3_data import Examples
from gym.reporting.recommendation import Recommendation, recommend
from gym.reporting.run_table import run_labels
from gym.reporting.sweep_page import (
    SweepReport,
    UnfinishedRun,
    reason_table,
    runs_by_site,
    write_special_reports,
    write_sweep_report,
)
from gym.runs.selection import Selection
from tests.reporting.test_comparison import cells_of
from tests.reporting.test_figure3 import BANDS, CLASSES, TWO, example
from tests.reporting.test_figure4 import paper_matrix
from tests.reporting.test_held_out_sites import made_site
from tests.reporting.test_label_curve import made_curve
from tests.reporting.test_page_tables import shown
from tests.reporting.test_run_table import made_run
from tests.reporting.test_training_curves import curve

DRAWN = {
    "curves": [curve()],
    "examples": Examples([example()], TWO, ["one run", "another"], ["the image of median mean IoU"], BANDS, CLASSES),
}
FIGURES = [f"{name}{suffix}" for name in ("figure3", "figure4", "learning_curves") for suffix in (".png", ".svg")]
SITES = {"scene0": "duck", "scene1": "sunset"}


def report_of(results, **more):
    """The report on a sweep of finished runs whose data and epochs are missing."""
    known = {
        "name": "my_sweep",
        "command": "python -m gym.train -m seed=1,2",
        "results": results,
        "commands": [f"python -m gym.train number={place}" for place in range(len(results))],
        "unfinished": [],
        "curves": [],
        "environment": [("code commit", "abc"), ("keras", "3.15")],
        "sites": SITES,
        "examples": "Figure 3 is left out: the data are missing.",
    }
    return SweepReport(**known | more)


def page_of(folder, report):
    """The page of a report, without the script of plotly."""
    page, *_ = write_sweep_report(folder, report)
    return page.read_text(encoding="utf-8").replace(get_plotlyjs(), "")


@pytest.fixture(scope="module")
def matrix(tmp_path_factory):
    """The report on runs like those of the paper: its folder, its runs and its page."""
    folder, results = tmp_path_factory.mktemp("report"), paper_matrix()
    return folder, results, page_of(folder, report_of(results, **DRAWN))


def test_a_report_has_all_its_files(matrix):
    """They are the page, and each figure for print in two formats."""
    folder, *_ = matrix

    assert sorted(path.name for path in folder.iterdir()) == sorted([*FIGURES, "report.html"])
    for name in (name for name in FIGURES if name.endswith(".png")):
        with Image.open(folder / name) as picture:
            assert picture.width in (1050, 2160)  # a column or a page
            assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_the_same_results_have_the_same_report(matrix, tmp_path):
    """Every file has the same bytes."""
    folder, results, _ = matrix
    write_sweep_report(tmp_path, report_of(results, **DRAWN))

    for name in [*FIGURES, "report.html"]:
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name


def test_the_page_needs_no_network(matrix):
    """Plotly is embedded once, pictures are embedded, and there is no other address."""
    folder, _, page = matrix

    assert (folder / "report.html").read_text(encoding="utf-8").count(get_plotlyjs()) == 1
    sources = re.findall(r'src="(.*?)"', page)
    assert len(sources) == 3
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert "http" not in re.sub(r'src=".*?"', "", page)
    assert all(re.search(r'alt="[^"]{10,}"', tag) for tag in re.findall(r"<img .*?>", page))
    assert "and the output of (c) one run and (d) another, laid over the image" in page


def test_the_table_has_the_numbers_of_the_results(matrix):
    """Each cell shows few digits and sorts by all of them."""
    _, results, page = matrix
    rows = cells_of(page.split('id="runs"')[1].split("</table>")[0])

    assert len(rows) == 30
    for row, run in zip(rows, results, strict=True):
        assert row[0][1].startswith(run.name)
        assert row[4] == (repr(run.scores["iou"]), f"{run.scores['iou']:.4f}")
        assert row[5] == (repr(run.scores["kld"]), f"{run.scores['kld']:.4f}")
        assert row[9] == (str(int(run.scores["parameters"])), f"{run.scores['parameters']:,.0f}")


def test_every_run_can_be_reproduced(matrix):
    """The page has the command of each run, the command of the sweep, and the environment."""
    _, results, page = matrix
    labels = run_labels(results)

    for place, label in enumerate(labels):
        assert (
            f'<th scope="row">{label}</th><td class="command"><code>python -m gym.train number={place}</code>' in page
        )
    assert "<code>python -m gym.train -m seed=1,2</code>" in page
    assert '<th scope="row">code commit</th><td class="words">abc</td>' in page


def test_the_recommendation_comes_with_its_reasons(matrix):
    """The page has the sentence and compares the recommended run with the best."""
    _, results, page = matrix
    found = recommend(results, 0)

    assert f'<p class="good">{found.sentence}</p>' in page
    assert f'class="number">{found.standard_error:.4f}</td>' in page


def test_the_reasons_compare_the_recommended_run_with_the_best():
    """The best has its standard error, the recommended one the lead of the best; a single run has one row."""
    best, chosen = made_run(filters=8, iou=0.91, name="b"), made_run(iou=0.9, name="a")

    columns, rows = shown(reason_table(Recommendation("", chosen, best, 0.02, (-0.01, 0.03))))
    assert columns == ["", "run", "parameters", "mean IoU", "standard error", "lead of the best (95 %)"]
    assert rows == [
        ["best", "b", "64,000", "0.9100", "0.0200", "-"],
        ["recommended", "a", "16,000", "0.9000", "-", "-0.0100 to 0.0300"],
    ]
    _, (row,) = shown(reason_table(Recommendation("", best, best, 0.02, (0.0, 0.0))))
    assert row == ["best and recommended", "b", "64,000", "0.9100", "0.0200", "-"]
    assert reason_table(Recommendation("none")) is None


def test_the_reasons_include_the_optimism_of_the_best():
    """It is that of the best run; without an estimate, it is a dash."""
    best, chosen = made_run(filters=8, iou=0.91, name="b"), made_run(iou=0.9, name="a")
    known, unknown = Selection(3, 2, 0.91, 0.0123), Selection(3, 2, 0.91, obstacle="there is only one scene")

    for selection, text in ((known, "0.0123"), (unknown, "-")):
        columns, rows = shown(reason_table(Recommendation("", chosen, best, 0.02, (0.0, 0.1), selection=selection)))
        assert columns[-1] == "optimism (best of 2)"
        assert [row[-1] for row in rows] == [text, "-"]
        _, (row,) = shown(reason_table(Recommendation("", best, best, 0.02, (0.0, 0.0), selection=selection)))
        assert row[-2:] == ["-", text]


def test_a_page_explains_the_estimate_of_the_optimism(matrix, tmp_path):
    """A single run has no sentence about a choice."""
    _, results, page = matrix

    assert "Tsamardinos et al. 2018" in page
    assert "was chosen as the highest among" in page
    assert "was chosen as" not in page_of(tmp_path, report_of(results[:1]))


def test_two_runs_are_shown_by_site():
    """They are the recommended run, or else the best, and the best mid-sized one of cce, unless it is the same run."""
    runs = [
        made_run(iou=0.5, filters=2),
        made_run(iou=0.6, filters=4, model="resunet"),
        made_run(iou=0.7, filters=4),
        made_run(iou=0.8, filters=6),
        made_run(iou=0.9, filters=8),
        made_run(iou=0.95, filters=4, loss="dice"),
        made_run(iou=None, filters=4),
    ]
    typical = ("unet cce f4 seed=2, the best mid-sized model trained with cce, as in the paper", runs[2])
    runs[6].settings["seed"] = 3
    runs[2].settings["seed"] = 2

    assert list(runs_by_site(runs, Recommendation("none")).items()) == [
        ("unet dice f4, the best run", runs[5]),
        typical,
    ]
    assert next(iter(runs_by_site(runs, Recommendation("", chosen=runs[3])).items())) == (
        "unet cce f6, the recommended run",
        runs[3],
    )
    assert len(runs_by_site(runs, Recommendation("", chosen=runs[2]))) == 1
    assert runs_by_site([made_run(iou=None)], Recommendation("none")) == {}


def test_the_page_shows_dice_by_site_and_class(matrix):
    """The table of the recommended run has the number of scenes of each site."""
    _, results, page = matrix
    chosen = recommend(results, 0).chosen
    duck = 2 * np.diag(chosen.matrices[0]) / (chosen.matrices[0].sum(axis=0) + chosen.matrices[0].sum(axis=1))
    rows = cells_of(page.split('id="sites"')[1].split("</table>")[0])

    assert [shown for _, shown in rows[0]] == ["duck", "1", f"{duck.mean():.3f}", *(f"{dice:.3f}" for dice in duck)]
    assert [row[0][1] for row in rows] == ["duck", "sunset", "all sites"]


def test_runs_without_a_result_are_listed(tmp_path):
    """They have a status, the reason of a failure, and the command that trains them."""
    unfinished = [
        UnfinishedRun("unet cce f2", "failed", "the loss is <nan>", "python -m gym.train seed=3"),
        UnfinishedRun("unet cce f4", "not started", "", "python -m gym.train seed=4"),
    ]
    page = page_of(tmp_path, report_of([made_run()], unfinished=unfinished, notes=["Something is missing."]))

    assert "1 of 3 runs have a result." in page
    failed = '<th scope="row">unet cce f2</th><td>failed</td><td class="words">the loss is &lt;nan&gt;</td>'
    assert failed in page
    assert "<code>python -m gym.train seed=4</code>" in page
    assert '<p class="note">Something is missing.</p>' in page


def test_without_examples_the_page_says_why(tmp_path):
    """There is no Figure 3, and without sites there are no scores by class and site."""
    page = page_of(tmp_path, report_of([made_run()], sites={}))

    assert '<p class="note">Figure 3 is left out: the data are missing.</p>' in page
    assert not list(tmp_path.glob("figure3*"))
    assert "Scores per class and site are not available" in page


def test_a_sweep_without_any_result_has_a_report(tmp_path):
    """All its runs may have failed; the page then needs no plotly."""
    failed = [UnfinishedRun("unet cce f2", "failed", "no", "python")]
    page = page_of(tmp_path, report_of([], unfinished=failed))

    assert "No recommendation: no run has a mean IoU." in page
    assert "No run has finished yet." in page
    assert len((tmp_path / "report.html").read_text(encoding="utf-8")) < 1_000_000


def test_the_page_shows_the_spread_over_seeds(tmp_path):
    """It has the sentence and the picture."""
    runs = [made_run([60 + seed, 40], settings={"seed": seed}, name=f"seed {seed}") for seed in range(3)]
    page = page_of(tmp_path, report_of(runs))

    assert re.search(r'<p class="good">3 seeds, mean ± standard deviation: mean IoU', page)
    assert len(re.findall(r"<img ", page)) == 3


def test_results_without_confusion_matrices_are_still_listed(tmp_path):
    """MLflow has their scores, but neither intervals nor scores by site and class."""
    run = replace(made_run(), images=[], scenes=[], matrices=np.zeros((0, 2, 2), np.int64))
    page = page_of(tmp_path, report_of([run, replace(run, settings=run.settings | {"seed": 2})]))

    assert "No recommendation: the confusion matrices are missing" in page
    assert len(cells_of(page.split('id="runs"')[1].split("</table>")[0])) == 2


def test_names_are_escaped(tmp_path):
    """They may be names of runs, sweeps or sites, or commands."""
    evil = '"><script>alert(1)</script>'
    report = report_of([made_run(name=evil)], name=evil, command=evil, commands=[evil], sites={"scene0": evil} | SITES)

    assert "<script>alert" not in page_of(tmp_path, report)


def file_names(folder):
    """The names of all files in a folder."""
    return sorted(path.name for path in folder.iterdir())


def test_a_sweep_over_shares_and_seeds_has_a_label_curve_and_a_spread(tmp_path):
    """Each report has a line."""
    lines = write_special_reports(tmp_path, made_curve(seeds=(1, 2), noise=0.005))

    assert [line.split()[0] for line in lines] == ["with", "Between"]
    assert file_names(tmp_path) == ["learning_curve.csv", "learning_curve.png", "spread.csv", "spread.png"]


def test_held_out_sites_of_two_models_have_a_line_each(tmp_path):
    """They share one report."""
    runs = [
        made_site(site, iou, model=model) for model in ("unet", "resunet") for site, iou in (("duck", 0.5), ("x", 0.6))
    ]
    lines = write_special_reports(tmp_path, runs)

    assert [line.split(":")[0] for line in lines] == ["unet", "resunet"]
    assert file_names(tmp_path) == ["leave_one_site_out.csv", "leave_one_site_out.png"]


def test_other_sweeps_have_no_special_report(tmp_path):
    """Neither the paper's matrix nor a sweep without finished runs has one."""
    assert write_special_reports(tmp_path, [made_run(loss=loss, filters=4) for loss in ("cce", "dice")]) == []
    assert write_special_reports(tmp_path, []) == []
    assert file_names(tmp_path) == []
