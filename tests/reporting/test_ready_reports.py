"""Each sweep has the reports that belong to it, and no others."""

from gym.reporting.sweep_page import write_ready_reports
from tests.reporting.test_held_out_sites import made_site
from tests.reporting.test_label_curve import made_curve
from tests.reporting.test_run_table import made_run


def written(folder):
    return sorted(path.name for path in folder.iterdir())


def test_shares_with_seeds_have_a_curve_and_a_spread(tmp_path):
    """A line each."""
    lines = write_ready_reports(tmp_path, made_curve(seeds=(1, 2), noise=0.005))

    assert [line[:10] for line in lines] == ["with twice", "From seed "]
    assert written(tmp_path) == ["learning_curve.csv", "learning_curve.png", "spread.csv", "spread.png"]


def test_sites_of_two_models_have_a_line_each(tmp_path):
    """And one report."""
    runs = [
        made_site(site, iou, model=model) for model in ("unet", "resunet") for site, iou in (("duck", 0.5), ("x", 0.6))
    ]
    lines = write_ready_reports(tmp_path, runs)

    assert [line.split(":")[0] for line in lines] == ["unet", "resunet"]
    assert written(tmp_path) == ["leave_one_site_out.csv", "leave_one_site_out.png"]


def test_the_paper_s_matrix_has_none_of_them(tmp_path):
    """Nor has a sweep of which nothing is finished."""
    assert write_ready_reports(tmp_path, [made_run(loss=loss, filters=4) for loss in ("cce", "dice")]) == []
    assert write_ready_reports(tmp_path, []) == []
    assert written(tmp_path) == []
