"""A card holds the numbers of its facts, as Markdown and as one page, and takes no name for markup."""

import re
import shlex
from dataclasses import replace
from html import unescape
from itertools import pairwise

import numpy as np
import pytest
import yaml

from gym.core.text import format_interval
from gym.reporting.card.collect import write_worst
from gym.reporting.card.contents import ClassFacts, Confusion, SideFacts, WorstImage, add_evaluations, read_facts
from gym.reporting.card.markdown import to_page
from gym.reporting.card.write import render_markdown, write_card
from tests.conftest import ROOT
from tests.reporting.card.made_up import CLASSES, made_document, made_facts, made_side

EVIL = "<script>alert(1)</script>|`x`$y$**z**\"'_"


def rows_of(text, first):
    """The cells of the table rows that begin with a cell."""
    lines = [line for line in text.splitlines() if line.startswith(f"| {first} |")]
    return [[cell.strip() for cell in line.strip("|").split("|")][1:] for line in lines]


def page_of(folder, facts):
    """The page of a card."""
    write_card(folder, facts)
    return (folder / "card.html").read_text(encoding="utf-8")


def word(score):
    """A score as the card shows it."""
    return format_interval(*(float("nan") if value is None else value for value in score))


def test_a_card_is_three_files(tmp_path):
    """Whole, and the facts can be read again."""
    write_card(tmp_path, made_facts())

    assert sorted(path.name for path in tmp_path.iterdir()) == ["card.html", "card.json", "card.md"]
    assert read_facts(tmp_path / "card.json") == made_facts()
    assert (tmp_path / "card.md").read_text(encoding="utf-8") == render_markdown(made_facts())


def test_every_part_that_a_card_must_have_is_there():
    """In the order of the paper that asks for them."""
    page = to_page(render_markdown(made_facts()), lambda address: "")

    assert page.title == "Model card: unet cce f6"
    assert page.parts == [
        *("model", "intended use", "data", "training", "scores", "calibration"),
        *("failures", "limits", "provenance", "citation"),
    ]


def test_scores_are_those_of_the_facts():
    """Overall, by class, by site, and by site and class, each with its interval where it has one."""
    side = made_side()
    text = render_markdown(made_facts())

    assert rows_of(text, "mean IoU") == [[word(side.overall["iou"])]]
    assert rows_of(text, "KLD per pixel, nats") == [[word(side.overall["kld"])]]
    for name in CLASSES:
        assert rows_of(text, name) == [
            [word(side.classes[name][key]) for key in ("iou", "dice", "precision", "recall")]
        ]
    for site in ("duck", "elwha"):
        scores = side.sites[site]
        assert rows_of(text, site) == [
            [word(scores[key]) for key in ("iou", "dice", "overall_accuracy", "kld")],
            [word(scores[f"iou/{name}"]) for name in CLASSES],
            [word(scores[f"dice/{name}"]) for name in CLASSES],
        ]
    assert f"its mean IoU is {word(side.overall['iou'])}." in text
    assert " to " in word(side.sites["duck"]["iou"])
    assert " to " not in word(side.sites["elwha"]["iou"])


def test_what_the_data_hold_is_counted():
    """Images, scenes, sites and pixels of each side, and where the data come from."""
    text = render_markdown(made_facts())

    assert rows_of(text, "images") == [["40", "3"]]
    assert rows_of(text, "scenes") == [["30", "3"]]
    assert rows_of(text, "images of elwha") == [["15", "1"]]
    assert rows_of(text, "`#0072b2` water") == [["6,000 (60.0%)", "260 (57.8%)"]]
    assert "- **Source:** 43 images of a shore" in text
    assert "- **Pixels:** about 10 m on the ground" in text
    assert "- **Bands:** red, nir, in this order" in text
    assert "Dates" not in text
    dated = render_markdown(made_facts(data={"dates": ["2020", "2021"], "pixel_sides": [10.0, 30.0]}))
    assert "- **Dates:** 2020 to 2021" in dated
    assert "- **Pixels:** about 10 to 30 m on the ground" in dated
    assert "- **Pixels:** of unknown size" in render_markdown(made_facts(data={"pixel_sides": []}))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"data.kind": "folder"}, "not stated: set data.licence"),
        ({"data.kind": "folder", "data.licence": "CC BY 4.0"}, "CC BY 4.0"),
        ({}, "that of this program, which draws the scenes (MIT)"),
        ({"data.licence": "mine"}, "mine"),
    ],
)
def test_the_licence_of_the_data_is_said(settings, said):
    """As configured; of scenes that the program draws it is known."""
    assert f"- **Licence:** {said}\n" in render_markdown(made_facts(settings))


def test_the_data_are_cited():
    """Where the configuration says how."""
    text = render_markdown(made_facts({"data.citation": "Someone 2020, doi:10.1/x"}))

    assert "- The data: Someone 2020, doi:10.1/x\n" in text
    assert "- **Cite as:** Someone 2020, doi:10.1/x\n" in text
    assert "The data:" not in render_markdown(made_facts())


def test_paper_and_program_are_cited_as_the_project_says():
    """CITATION.cff has the same."""
    known = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    text, paper = render_markdown(made_facts()), known["preferred-citation"]

    assert f"https://doi.org/{paper['doi']}" in text
    assert f"({paper['year']}). {paper['title']}. {paper['journal']}, {paper['volume']}, {paper['start']}." in text
    assert all(author["family-names"] in text for author in paper["authors"])
    assert f"{known['title']} {known['version']}, {known['license']} licence" in text


def test_hashes_and_the_command_are_there(configure, tmp_path):
    """All that it takes to make the run again and to know its model; not where its results lay."""
    config = {"model.filters": 12, "name": "it's mine", "outputs": "/home/me", "tracking.uri": "http://host", "seed": 7}
    text = render_markdown(made_facts(config))

    for line in (
        f"- **code commit:** {'c' * 40}",
        f"- **fingerprint of the run:** {'f' * 64}",
        f"- **fingerprint of the data:** {'d' * 64}",
        f"- **SHA-256 of the weights:** {'a' * 64}",
        f"- **SHA-256 of model/model.keras:** {'b' * 64}",
    ):
        assert f"{line}\n" in text
    (command,) = re.findall(r"^```\n(.*)\n```$", text, re.MULTILINE)
    python, flag, verb, *overrides = shlex.split(command)
    assert (python, flag, verb) == ("python", "-m", "gym.train")
    made = configure(*overrides)
    assert (made.model.filters, made.name, made.seed, made.outputs) == (12, "it's mine", 7, str(tmp_path))
    assert "/home/me" not in text
    assert "http://host" not in text


def test_the_training_is_described():
    """With the epoch whose weights are kept, and what the images went through."""
    text = render_markdown(made_facts({"loss.name": "dice", "loss.weighting": "frequency", "data.size": [96, 64]}))

    assert "- **Loss:** dice, classes weighted (frequency)\n" in text
    assert (
        "- **Epochs:** 9 of at most 15; the weights are those of epoch 7, which had the lowest validation loss" in text
    )
    assert "- **Augmentation:** online, copies 1: zoom 0.05, rotation 3, shift_rows 0.05," in text
    assert "- **Input:** 96 x 64 pixels; larger scenes are shrunk" in text
    still = dict.fromkeys(["augment.zoom", "augment.rotation", "augment.shift_rows", "augment.shift_columns"], 0.0)
    assert "copies 1: no change\n" in render_markdown(made_facts(still | {"augment.flip_horizontal": False}))


def test_a_leaky_split_is_flagged_loudly(tmp_path):
    """On top of the card and beside its first score."""
    leaky = made_facts({"split.method": "paper"})
    text, page = render_markdown(leaky), page_of(tmp_path, leaky)

    assert text.splitlines()[2].startswith("> **Beware.** This split leaks:")
    assert " (leaky split). Trained on" in text
    assert page.index('<blockquote class="note">') < page.index('<h2 id="model">')
    assert "leak" not in render_markdown(made_facts())


def test_failures_are_shown_and_said(tmp_path):
    """The picture, its rows by name, and which class is taken for which."""
    write_worst(tmp_path / "worst.png", np.full((9, 9, 3), 200, np.uint8))
    page, text = page_of(tmp_path, made_facts()), render_markdown(made_facts())

    assert rows_of(text, "pair2") == [["elwha", "0.500", "0.750"]]
    assert "- 24.0% of the validation pixels of sand are called water.\n" in text
    assert "](worst.png)" in text
    assert re.search(r'<img class="worst" alt="[^"]*" src="data:image/png;base64,', page)
    flawless = render_markdown(made_facts(worst=[], confusions=[]))
    assert "- No class has 1 % of its validation pixels taken for another.\n" in flawless
    assert "worst.png" not in flawless


def test_before_an_evaluation_calibration_is_not_known():
    """The card says what measures it."""
    text = render_markdown(made_facts())

    assert "Not measured yet: `python -m gym.evaluate run=0123456789abcdef0123456789abcdef` does" in text
    assert "\n## Evaluation\n" not in text


def test_evaluations_are_shown():
    """Each with its side and data: boundaries, means over images, calibration and baselines."""
    other = made_document("all", baselines=None, temperature={"value": None, "origin": "no validation side"})
    facts = add_evaluations(made_facts(), {"evaluation/test": made_document(), "evaluation/all_1": other})
    text = render_markdown(facts)

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


def test_an_evaluation_of_before_lacks_a_score():
    """It has a dash where it has no such score, as one that was named otherwise."""
    before = made_document()
    del before["overall"]["calibration_error_with_temperature"]
    text = render_markdown(add_evaluations(made_facts(), {"evaluation/test": before}))

    assert rows_of(text, "test images of other shores") == [["0.081 (0.070 to 0.090)", "-", "1.375"]]


def test_an_evaluation_of_the_runs_own_data_is_named_by_its_side():
    """Its source is said already."""
    own = {"source": "43 images of a shore", "fingerprint": made_facts().data.fingerprint}
    text = render_markdown(add_evaluations(made_facts(), {"evaluation/x": made_document("validation", data=own)}))

    assert "### On validation images\n" in text


def test_tables_end_before_what_follows_them():
    """A line below a table would be a row of it."""
    evaluated = add_evaluations(made_facts(), {name: made_document(name) for name in ("test", "all")})
    lines = render_markdown(evaluated).splitlines()

    assert sum(line.startswith("| ---") for line in lines) > 15
    for line, following in pairwise(lines):
        if line.startswith(("|", "!", "- ", "> ")):
            assert following == "" or following[0] == line[0]
        if line.startswith("#"):
            assert following == ""


def test_pictures_are_looked_for_where_the_runs_files_are(tmp_path):
    """An evaluation writes its cards elsewhere; what is not there is described."""
    pictures = tmp_path / "artifacts"
    for name in ("worst.png", "evaluation/test/worst.png"):
        write_worst(pictures / name, np.zeros((2, 2, 3), np.uint8))
    write_card(tmp_path / "out", add_evaluations(made_facts(), {"evaluation/test": made_document()}), pictures)
    page = (tmp_path / "out" / "card.html").read_text(encoding="utf-8")

    assert re.findall(r'<img class="([\w-]+)"', page) == ["evaluation-test-worst", "worst"]
    assert "(Loss, IoU and learning rate by epoch: learning_curves.png)" in page


def evil_facts():
    """Facts in which every name is markup."""
    kinds = [EVIL, f"{EVIL} too"]
    side = made_side(sites=[EVIL, EVIL, "b"], classes=kinds)
    classes = [ClassFacts(name, "#0072b2", {"training": 5, "validation": 5}) for name in kinds]
    sides = [SideFacts(name, 3, 3, {EVIL: 2, "b": 1}) for name in ("training", "validation")]
    settings = {"data.licence": EVIL, "data.citation": EVIL, "name": EVIL, "data.kind": "folder", "data.labels": EVIL}
    facts = made_facts(
        settings,
        {"source": EVIL, "bands": [EVIL, "b"], "classes": classes, "sides": sides},
        name=EVIL,
        split=EVIL,
        scores=[side],
        worst=[WorstImage(EVIL, EVIL, 0.1, 0.2)],
        confusions=[Confusion(*kinds, 0.5)],
    )
    document = made_document(classes=side.classes, sites=side.sites, data={"source": EVIL, "fingerprint": EVIL})
    return add_evaluations(facts, {"evaluation/test": document})


def test_names_are_no_markup(tmp_path):
    """Of the run, classes, sites, bands, images and data; the page has the tags that it has with plain names."""
    page = page_of(tmp_path, evil_facts())
    plain = page_of(tmp_path, plainly(evil_facts()))

    assert "<script>alert" not in page
    assert unescape(page).count("<script>alert(1)</script>|`x`$y$**z**\"'_") > 20
    assert re.findall(r"</?[a-z][a-z0-9]*", page) == re.findall(r"</?[a-z][a-z0-9]*", plain)


def plainly(value):
    """The same with a plain name in place of each that is markup."""
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
    """Nothing is fetched; its links lead within the page or to a DOI."""
    write_worst(tmp_path / "worst.png", np.zeros((2, 2, 3), np.uint8))
    page = page_of(tmp_path, made_facts())

    assert all(source.startswith("data:image/png;base64,") for source in re.findall(r'src="(.*?)"', page))
    assert not re.search(r"<link|@import|url\(|<iframe|<script[^>]+src", page)
    links = re.findall(r'href="(.*?)"', page)
    assert set(re.findall(r'id="(.*?)"', page)) == {link[1:] for link in links if link.startswith("#")}
    assert all(link.startswith(("#", "https://doi.org/")) for link in links)


def test_what_an_evaluation_found_to_flatter_is_said_and_nothing_else():
    """Whatever the side of other data is called; one of an earlier version found nothing."""
    warned = made_document("training", warnings=["3 of <these> trained it"])
    text = render_markdown(add_evaluations(made_facts(), {"evaluation/training": warned}))
    plain = render_markdown(add_evaluations(made_facts(), {"evaluation/training": made_document("training")}))

    assert "evaluation.html. Beware: 3 of &#60;these&#62; trained it. Boundary IoU" in text
    assert "evaluation.html. Boundary IoU" in plain
    assert "trained the model" not in plain


def test_a_card_is_the_same_each_time(tmp_path):
    """To the byte, and also from the facts that were read back."""
    settings = {"seed": 7, "name": "mine", "data.remap.7": 1, "data.remap.1": 0, "loss.name": "dice"}
    document = made_document(sites=dict(reversed(made_side().sites.items())))
    facts = add_evaluations(made_facts(settings), {"evaluation/test": document, "evaluation/all": made_document("all")})
    write_card(tmp_path / "a", facts)
    write_card(tmp_path / "b", read_facts(tmp_path / "a" / "card.json"))

    for name in ("card.md", "card.html", "card.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
