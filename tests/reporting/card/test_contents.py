"""The contents of a card round-trip through JSON, and damaged files are rejected with the reason."""

import json
from dataclasses import replace

import pytest

from gym.core.errors import RunError
from gym.reporting.card.contents import add_evaluations, read_contents, write_contents
from tests.reporting.card.made_up import made_card, made_document


def test_contents_round_trip(tmp_path):
    """They include undefined scores and evaluations."""
    card = add_evaluations(made_card(), {"evaluation/test": made_document()})
    write_contents(tmp_path / "card.json", card)

    assert read_contents(tmp_path / "card.json") == card
    assert card.scores[0].sites["elwha"]["iou"][1:] == [None, None]


def test_a_card_of_an_earlier_version_has_intervals_over_scenes(tmp_path):
    """It recorded neither the unit nor the choice of the run."""
    card = made_card()
    write_contents(tmp_path / "card.json", card)
    raw = json.loads((tmp_path / "card.json").read_text())
    for side in raw["scores"]:
        del side["unit_kind"], side["units"]
    del raw["selection"]
    (tmp_path / "card.json").write_text(json.dumps(raw))

    assert read_contents(tmp_path / "card.json") == card
    assert (card.scores[0].unit_kind, card.scores[0].units) == ("scene", 3)


def test_an_evaluation_replaces_the_one_of_the_same_folder():
    """Other evaluations stay, and the given contents are unchanged."""
    first = add_evaluations(made_card(), {"a": made_document("test"), "b": made_document("all")})
    second = add_evaluations(first, {"a": made_document("training")})

    assert {place: one["side"] for place, one in second.evaluations.items()} == {"a": "training", "b": "all"}
    assert {place: one["side"] for place, one in first.evaluations.items()} == {"a": "test", "b": "all"}
    assert replace(second, evaluations={}) == made_card()


def changed(raw, path, value):
    """JSON with one value changed, or removed if the value is ``...``."""
    *places, last = path
    inner = raw
    for place in places:
        inner = inner[place]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return raw


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (["version"], 2, "version 2 instead of 1"),
        (["version"], ..., "version None instead of 1"),
        (["name"], ..., "name is missing from the file"),
        (["more"], 1, "'more' is an unknown field of the file"),
        (["name"], 7, "name must be text, not 7"),
        (["data"], [], "data must be an object with the fields of DataSummary, not []"),
        (["data", "classes", 0, "pixels", "training"], "many", "pixels.training must be a whole number, not 'many'"),
        (["scores", 0, "overall", "iou"], "0.5", "overall.iou must be a list, not '0.5'"),
        (["scores", 0, "overall", "iou", 1], "x", "overall.iou must be a number, not 'x'"),
        (["evaluations"], {"a": 3}, "evaluations.a must be an object, not 3"),
    ],
)
def test_damaged_contents_are_rejected(tmp_path, path, value, reason):
    """The error gives the reason and a remedy."""
    write_contents(tmp_path / "card.json", made_card())
    raw = json.loads((tmp_path / "card.json").read_text(encoding="utf-8"))
    (tmp_path / "card.json").write_text(json.dumps(changed(raw, path, value)), encoding="utf-8")

    with pytest.raises(
        RunError, match=r"card\.json is not a readable model card \(.*\); train the run again"
    ) as caught:
        read_contents(tmp_path / "card.json")
    assert reason in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"7"])
def test_a_file_that_is_not_a_card_is_rejected(tmp_path, content):
    """A missing file is rejected, too."""
    (tmp_path / "card.json").write_bytes(content)

    for name in ("card.json", "none.json"):
        with pytest.raises(RunError, match=f"{name} is not a readable model card"):
            read_contents(tmp_path / name)
