"""Facts are read as they were written, or it is said that they cannot be."""

import json
from dataclasses import replace

import pytest

from gym.core.errors import RunError
from gym.reporting.card.contents import add_evaluations, read_facts, write_facts
from tests.reporting.card.made_up import made_document, made_facts


def test_facts_are_read_as_they_were_written(tmp_path):
    """All of them, with what is undefined and with evaluations."""
    facts = add_evaluations(made_facts(), {"evaluation/test": made_document()})
    write_facts(tmp_path / "card.json", facts)

    assert read_facts(tmp_path / "card.json") == facts
    assert facts.scores[0].sites["elwha"]["iou"][1:] == [None, None]


def test_an_evaluation_takes_the_place_of_the_one_before_it():
    """Of the same folder only; the facts that were there stay as they are."""
    first = add_evaluations(made_facts(), {"a": made_document("test"), "b": made_document("all")})
    second = add_evaluations(first, {"a": made_document("training")})

    assert {place: one["side"] for place, one in second.evaluations.items()} == {"a": "training", "b": "all"}
    assert {place: one["side"] for place, one in first.evaluations.items()} == {"a": "test", "b": "all"}
    assert replace(second, evaluations={}) == made_facts()


def changed(raw, path, value):
    """JSON with something in it changed; a value of ``...`` is taken away."""
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
        (["version"], 2, "version 2, not 1"),
        (["version"], ..., "'version'"),
        (["name"], ..., "no CardFacts"),
        (["more"], 1, "no CardFacts"),
        (["name"], 7, "7 where <class 'str'> belongs"),
        (["data"], [], "no DataFacts"),
        (["data", "classes", 0, "pixels", "training"], "many", "'many' where <class 'int'> belongs"),
        (["scores", 0, "overall", "iou"], "0.5", "'0.5' where"),
        (["scores", 0, "overall", "iou", 1], "x", "'x' where"),
        (["evaluations"], {"a": 3}, "3 where"),
    ],
)
def test_damaged_facts_are_refused(tmp_path, path, value, reason):
    """With what is wrong, and what to do."""
    write_facts(tmp_path / "card.json", made_facts())
    raw = json.loads((tmp_path / "card.json").read_text(encoding="utf-8"))
    (tmp_path / "card.json").write_text(json.dumps(changed(raw, path, value)), encoding="utf-8")

    with pytest.raises(
        RunError, match=r"card\.json holds no readable facts of a card \(.*\); train the run again"
    ) as caught:
        read_facts(tmp_path / "card.json")
    assert reason in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"7"])
def test_what_is_no_card_is_refused(tmp_path, content):
    """Whatever stands in the file; also where there is none."""
    (tmp_path / "card.json").write_bytes(content)

    for name in ("card.json", "none.json"):
        with pytest.raises(RunError, match=f"{name} holds no readable facts"):
            read_facts(tmp_path / name)
