"""A card shows its contents as Markdown and as one page, in which every name is escaped."""

import re
import shlex
from dataclasses import replace
from html import unescape
from itertools import pairwise

import numpy as np
import pytest
import yaml

from gym.core.text import format_interval
from gym.data.units import Units
from gym.reporting.card.contents import (
    ClassSummary,
    Confusion,
    SideSummary,
    WorstImage,
    add_evaluations,
    read_contents,
)
from gym.reporting.card.markdown import to_page
from gym.reporting.card.worst_images import write_worst
from gym.reporting.card.write import render_markdown, write_card
from tests.conftest import ROOT
from tests.reporting.card.made_up import CLASSES, made_card, made_document, made_side

EVIL = "<script>alert(1)</script>|`x`$y$**z**\"'_"


def rows_of(text, first):
    """The further cells of all table rows that begin with this cell."""
    lines = [line for line in text.splitlines() if line.startswith(f"| {first} |")]
    return [[cell.strip() for cell in line.strip("|").split("|")][1:] for line in lines]


def page_of(folder, card):
    """The page of a card."""
    write_card(folder, card)
    return (folder / "card.html").read_text(encoding="utf-8")


def formatted(score):
    """A score as the card shows it."""
    return format_interval(*(float("nan") if value is None else value for value in score))


def test_a_card_is_three_files(tmp_path):
    """Its contents can be read again."""
    write_card(tmp_path, made_card())

    assert sorted(path.name for path in tmp_path.iterdir()) == ["card.html", "card.json", "card.md"]
    assert read_contents(tmp_path / "card.json") == made_card()
    assert (tmp_path / "card.md").read_text(encoding="utf-8") == render_markdown(made_card())


def test_a_card_has_the_required_sections():
    """They have the order of Mitchell et al. 2019."""
    page = to_page(render_markdown(made_card()), lambda address: "")

    assert page.title == "Model card: unet cce f6"
    assert page.parts == [
        *("model", "intended use", "data", "training", "scores", "calibration"),
        *("failures", "limitations", "provenance", "citation"),
    ]


def test_a_card_says_what_its_intervals_redraw():
    """Each side and each evaluation may have its own unit; a name is shown as text, and a note as a sentence."""
    places, columns = Units("place", ["cape", "cape", "bay"]), Units("<b>", ["x", "x", "y"])
    note = "The split kept every <b> together."
    evaluations = {
        "evaluation/all": made_document("all", units={"kind": "site", "number": 3, "note": ""}),
        "evaluation/test": made_document(units={"kind": "scene", "number": 3, "note": note}),
        "evaluation/training": made_document("training"),  # of an earlier version
    }
    sides = [made_side(units=places), made_side("test", units=columns), made_side("other")]

    text = render_markdown(made_card(scores=sides, evaluations=evaluations))

    assert "### On 3 validation images of 3 scenes\n\nThe intervals are over 2 places.\n\n|" in text
    assert "The intervals are over 2 units by &#60;b&#62;." in text
    assert "### On 3 other images of 3 scenes\n\n|" in text
    assert text.count("The intervals are over") == 2
    assert "3 images of 3 scenes, intervals over 3 sites; data" in text
    assert "evaluation/test/evaluation.html. The split kept every &#60;b&#62; together. Boundary" in text
    assert text.count("3 images of 3 scenes; data") == 2


def test_a_card_shows_all_scores():
    """They are tabulated overall, by class, by site, and by site and class, with their intervals."""
    side = made_side()
    text = render_markdown(made_card())

    assert rows_of(text, "mean IoU") == [[formatted(side.overall["iou"])]]
    assert rows_of(text, "KLD per pixel, nats") == [[formatted(side.overall["kld"])]]
    for name in CLASSES:
        assert rows_of(text, name) == [
            [formatted(side.classes[name][key]) for key in ("iou", "dice", "precision", "recall")]
        ]
    for site in ("duck", "elwha"):
        scores = side.sites[site]
        assert rows_of(text, site) == [
            [formatted(scores[key]) for key in ("iou", "dice", "overall_accuracy", "kld")],
            [formatted(scores[f"iou/{name}"]) for name in CLASSES],
            [formatted(scores[f"dice/{name}"]) for name in CLASSES],
        ]
    assert f"Its mean IoU is {formatted(side.overall['iou'])} on 3 validation images of 3 scenes." in text
    assert " to " in formatted(side.sites["duck"]["iou"])
    assert " to " not in formatted(side.sites["elwha"]["iou"])


def test_a_card_summarises_the_data():
    """It has the source, and the images, scenes, sites and pixels of each side."""
    text = render_markdown(made_card())

    assert rows_of(text, "images") == [["40", "3"]]
    assert rows_of(text, "scenes") == [["30", "3"]]
    assert rows_of(text, "images of elwha") == [["15", "1"]]
    assert rows_of(text, "`#0072b2` water") == [["6,000 (60.0%)", "260 (57.8%)"]]
    assert "- **Source:** 43 images of a shore" in text
    assert "- **Pixel size:** about 10 m\n" in text
    assert "- **Bands:** red, nir, in this order" in text
    assert "Dates" not in text
    dated = render_markdown(made_card(data={"dates": ["2020", "2021"], "pixel_sides": [10.0, 30.0]}))
    assert "- **Dates:** 2020 to 2021" in dated
    assert "- **Pixel size:** about 10 to 30 m\n" in dated
    assert "- **Pixel size:** unknown\n" in render_markdown(made_card(data={"pixel_sides": []}))


@pytest.mark.parametrize(
    ("settings", "licence"),
    [
        ({"data.kind": "folder"}, "not stated; set data.licence"),
        ({"data.kind": "folder", "data.licence": "CC BY 4.0"}, "CC BY 4.0"),
        ({}, "that of this program, which draws the scenes (MIT)"),
        ({"data.licence": "mine"}, "mine"),
    ],
)
def test_a_card_states_the_licence_of_the_data(settings, licence):
    """It is configured, or known for scenes that the program generates."""
    assert f"- **Licence:** {licence}\n" in render_markdown(made_card(settings))


def test_a_card_cites_the_data():
    """The configuration may give a citation."""
    text = render_markdown(made_card({"data.citation": "Someone 2020, doi:10.1/x"}))

    assert "- The data: Someone 2020, doi:10.1/x\n" in text
    assert "- **Cite as:** Someone 2020, doi:10.1/x\n" in text
    assert "The data:" not in render_markdown(made_card())


def test_a_card_cites_paper_and_program():
    """The citations agree with CITATION.cff."""
    known = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    text, paper = render_markdown(made_card()), known["preferred-citation"]

    assert f"https://doi.org/{paper['doi']}" in text
    assert f"({paper['year']}). {paper['title']}. {paper['journal']}, {paper['volume']}, {paper['start']}." in text
    assert all(author["family-names"] in text for author in paper["authors"])
    assert f"{known['title']} {known['version']}, {known['license']} licence" in text


def test_a_card_has_hashes_and_the_command(configure, tmp_path):
    """They identify the model and train the run again, without the locations of its results."""
    config = {"model.filters": 12, "name": "it's mine", "outputs": "/home/me", "tracking.uri": "http://host", "seed": 7}
    text = render_markdown(made_card(config))

    for line in (
        f"- **code commit:** {'c' * 40}",
        f"- **run fingerprint:** {'f' * 64}",
        f"- **data fingerprint:** {'d' * 64}",
        f"- **SHA-256 of the weights:** {'a' * 64}",
        f"- **SHA-256 of model/model.keras:** {'b' * 64}",
    ):
        assert f"{line}\n" in text
    (command,) = re.findall(r"^```\n(.*)\n```$", text, re.MULTILINE)
    python, flag, module, *overrides = shlex.split(command)
    assert (python, flag, module) == ("python", "-m", "gym.train")
    made = configure(*overrides)
    assert (made.model.filters, made.name, made.seed, made.outputs) == (12, "it's mine", 7, str(tmp_path))
    assert "/home/me" not in text
    assert "http://host" not in text


def test_a_card_describes_the_training():
    """It names the epoch of the weights and the augmentation."""
    text = render_markdown(made_card({"loss.name": "dice", "loss.weighting": "frequency", "data.size": [96, 64]}))

    assert "- **Loss:** dice, class weights: frequency\n" in text
    assert "- **Epochs:** 9 of at most 15; the weights are from epoch 7, which had the lowest validation loss" in text
    assert "- **Augmentation:** online, copies 1: zoom 0.05, rotation 3, shift_rows 0.05," in text
    assert "- **Input:** 96 x 64 pixels; larger scenes are shrunk" in text
    still = dict.fromkeys(["augment.zoom", "augment.rotation", "augment.shift_rows", "augment.shift_columns"], 0.0)
    assert "copies 1: none\n" in render_markdown(made_card(still | {"augment.flip_horizontal": False}))


def test_a_leaky_split_is_flagged(tmp_path):
    """There are a warning at the top and a note on the first score."""
    leaky = made_card({"split.method": "paper"})
    text, page = render_markdown(leaky), page_of(tmp_path, leaky)

    assert text.splitlines()[2].startswith("> **Warning.** This split leaks:")
    assert " (leaky split) on 3 validation images" in text
    assert page.index('<blockquote class="note">') < page.index('<h2 id="model">')
    assert "leak" not in render_markdown(made_card())


def test_a_card_shows_failures(tmp_path):
    """It has a picture of the worst images, their names, and the confusions of classes."""
    write_worst(tmp_path / "worst.png", np.full((9, 9, 3), 200, np.uint8))
    page, text = page_of(tmp_path, made_card()), render_markdown(made_card())

    assert rows_of(text, "pair2") == [["elwha", "0.500", "0.750"]]
    assert "- 24.0% of the validation pixels of sand are predicted as water.\n" in text
    assert "](worst.png)" in text
    assert re.search(r'<img class="worst" alt="[^"]*" src="data:image/png;base64,', page)
    flawless = render_markdown(made_card(worst=[], confusions=[]))
    assert "- No class has 1 % or more of its validation pixels predicted as another class.\n" in flawless
    assert "worst.png" not in flawless


def test_before_an_evaluation_calibration_is_unknown():
    """The card gives the command that measures it."""
    text = render_markdown(made_card())

    assert "Not measured yet. `python -m gym.evaluate run=0123456789abcdef0123456789abcdef` measures it" in text
    assert "\n## Evaluation\n" not in text


def test_a_card_shows_evaluations():
    """Each has its side and data, boundary scores, means over images, calibration and baselines."""
    other = made_document("all", baselines=None, temperature={"value": None, "origin": "no validation side"})
    card = add_evaluations(made_card(), {"evaluation/test": made_document(), "evaluation/all_1": other})
    text = render_markdown(card)

    assert "Not measured yet" not in text
    assert text.index("### On all images of other shores") < text.index("### On test images of other shores")
    assert rows_of(text, "boundary IoU") == [["0.310 (0.250 to 0.350)", "-"]] * 2
    assert rows_of(text, "boundary distance, pixels") == [["12.5 (11.0 to 14.0)", "-"]] * 2
    assert rows_of(text, "boundary missed, share of images") == [["0.125 (0.000 to 0.250)", "-"]] * 2
    assert rows_of(text, "mean IoU")[1][1] == "0.654 (0.600 to 0.700)"
    errors = ["0.081 (0.070 to 0.090)", "0.012 (0.010 to 0.020)"]
    assert rows_of(text, "test images of other shores") == [[*errors, "1.375"]]
    assert rows_of(text, "all images of other shores") == [[*errors, "-"]]
    fitted = "fitted on the run's validation images"
    assert f"- **temperature for the test images of other shores:** {fitted}\n" in text
    assert rows_of(text, "model") == [["0.700 (0.600 to 0.800)", "0.800 (0.700 to 0.900)", "0.900", "-"]]
    assert rows_of(text, "majority")[0][-1] == "0.450 (0.400 to 0.500)"
    assert "- **forest:** 100 trees\n" in text
    assert text.count("](evaluation/test/worst.png)") == 1


def test_an_evaluation_of_an_earlier_version_may_lack_a_score():
    """The missing score is a dash."""
    before = made_document()
    del before["overall"]["calibration_error_with_temperature"]
    text = render_markdown(add_evaluations(made_card(), {"evaluation/test": before}))

    assert rows_of(text, "test images of other shores") == [["0.081 (0.070 to 0.090)", "-", "1.375"]]


def test_an_evaluation_of_the_runs_own_data_is_named_by_its_side():
    """The card already has the source."""
    own = {"source": "43 images of a shore", "fingerprint": made_card().data.fingerprint}
    text = render_markdown(add_evaluations(made_card(), {"evaluation/x": made_document("validation", data=own)}))

    assert "### On validation images\n" in text


def test_an_empty_line_follows_every_table():
    """Otherwise the next line would be a row of the table."""
    evaluated = add_evaluations(made_card(), {name: made_document(name) for name in ("test", "all")})
    lines = render_markdown(evaluated).splitlines()

    assert sum(line.startswith("| ---") for line in lines) > 15
    for line, following in pairwise(lines):
        if line.startswith(("|", "!", "- ", "> ")):
            assert following == "" or following[0] == line[0]
        if line.startswith("#"):
            assert following == ""


def test_pictures_come_from_the_artifacts_of_the_run(tmp_path):
    """An evaluation writes the card elsewhere; a missing picture is described."""
    pictures = tmp_path / "artifacts"
    for name in ("worst.png", "evaluation/test/worst.png"):
        write_worst(pictures / name, np.zeros((2, 2, 3), np.uint8))
    write_card(tmp_path / "out", add_evaluations(made_card(), {"evaluation/test": made_document()}), pictures)
    page = (tmp_path / "out" / "card.html").read_text(encoding="utf-8")

    assert re.findall(r'<img class="([\w-]+)"', page) == ["evaluation-test-worst", "worst"]
    assert "(Loss, IoU and learning rate by epoch: learning_curves.png)" in page


def evil_card():
    """The contents of a card in which every name is markup."""
    kinds = [EVIL, f"{EVIL} too"]
    side = made_side(sites=[EVIL, EVIL, "b"], classes=kinds)
    classes = [ClassSummary(name, "#0072b2", {"training": 5, "validation": 5}) for name in kinds]
    sides = [SideSummary(name, 3, 3, {EVIL: 2, "b": 1}) for name in ("training", "validation")]
    settings = {"data.licence": EVIL, "data.citation": EVIL, "name": EVIL, "data.kind": "folder", "data.labels": EVIL}
    card = made_card(
        settings,
        {"source": EVIL, "bands": [EVIL, "b"], "classes": classes, "sides": sides},
        name=EVIL,
        split=EVIL,
        scores=[side],
        worst=[WorstImage(EVIL, EVIL, 0.1, 0.2)],
        confusions=[Confusion(*kinds, 0.5)],
    )
    document = made_document(classes=side.classes, sites=side.sites, data={"source": EVIL, "fingerprint": EVIL})
    return add_evaluations(card, {"evaluation/test": document})


def test_names_are_escaped(tmp_path):
    """The page has the same tags as with plain names of run, classes, sites, bands, images and data."""
    page = page_of(tmp_path, evil_card())
    plain = page_of(tmp_path, plainly(evil_card()))

    assert "<script>alert" not in page
    assert unescape(page).count("<script>alert(1)</script>|`x`$y$**z**\"'_") > 20
    assert re.findall(r"</?[a-z][a-z0-9]*", page) == re.findall(r"</?[a-z][a-z0-9]*", plain)


def plainly(value):
    """The same with a plain name in place of every evil one."""
    if isinstance(value, str):
        return value.replace(EVIL, "plain")
    if isinstance(value, dict):
        return {plainly(key): plainly(part) for key, part in value.items()}
    if isinstance(value, list):
        return [plainly(part) for part in value]
    return (
        replace(value, **{name: plainly(part) for name, part in vars(value).items()})
        if hasattr(value, "__dict__")
        else value
    )


def test_the_page_is_one_file(tmp_path):
    """Nothing is fetched; links lead to the page itself or to a DOI."""
    write_worst(tmp_path / "worst.png", np.zeros((2, 2, 3), np.uint8))
    page = page_of(tmp_path, made_card())

    assert all(source.startswith("data:image/png;base64,") for source in re.findall(r'src="(.*?)"', page))
    assert not re.search(r"<link|@import|url\(|<iframe|<script[^>]+src", page)
    links = re.findall(r'href="(.*?)"', page)
    assert set(re.findall(r'id="(.*?)"', page)) == {link[1:] for link in links if link.startswith("#")}
    assert all(link.startswith(("#", "https://doi.org/")) for link in links)


def test_a_card_shows_the_warnings_of_an_evaluation():
    """Evaluations of earlier versions have none, and the card adds none of its own."""
    warned = made_document("training", warnings=["3 of <these> trained it"])
    text = render_markdown(add_evaluations(made_card(), {"evaluation/training": warned}))
    plain = render_markdown(add_evaluations(made_card(), {"evaluation/training": made_document("training")}))

    assert "evaluation.html. Warning: 3 of &#60;these&#62; trained it. Boundary IoU" in text
    assert "evaluation.html. Boundary IoU" in plain
    assert "trained the model" not in plain


def test_a_card_is_reproducible(tmp_path):
    """Its files have the same bytes, also if the contents were read back."""
    settings = {"seed": 7, "name": "mine", "data.remap.7": 1, "data.remap.1": 0, "loss.name": "dice"}
    document = made_document(sites=dict(reversed(made_side().sites.items())))
    card = add_evaluations(made_card(settings), {"evaluation/test": document, "evaluation/all": made_document("all")})
    write_card(tmp_path / "a", card)
    write_card(tmp_path / "b", read_contents(tmp_path / "a" / "card.json"))

    for name in ("card.md", "card.html", "card.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
