"""A bootstrap redraws what the split kept together, for each method and side, also on data that it did not split."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gym.config.schema import SplitConfig
from gym.data.units import Units, count_units, find_coarsest, find_units, list_kinds, name_units

# Two tiles of each of six scenes; three places, two of them at one site.
SCENES = [f"scene{number // 2}" for number in range(12)]
PLACES = [("cape", "cove", "bay")[number // 4] for number in range(12)]
SITES = ["duck" if place != "bay" else "elwha" for place in PLACES]
SAMPLES = list(range(12))


class Pairs:
    """As much of a dataset as its groups and the keys of its images."""

    def __init__(self, images=None, **groups):
        known = {"scene": SCENES, "site": SITES, "place": PLACES} | groups
        self.manifest = SimpleNamespace(
            pairs=[
                SimpleNamespace(
                    name=f"pair{number}",
                    groups={kind: of[number] for kind, of in known.items() if of[number]},
                    scene=known["scene"][number],
                    image_sha256=images[number] if images else str(number),
                    likeness="f",
                )
                for number in SAMPLES
            ]
        )

    def __len__(self):
        return len(self.manifest.pairs)


@pytest.mark.parametrize(
    ("split", "side", "kind"),
    [
        (SplitConfig(), "validation", "scene"),
        (SplitConfig(by="site"), "validation", "site"),
        (SplitConfig(by="place"), "test", "place"),
        (SplitConfig(by="place"), "training", "place"),
        (SplitConfig(by="place"), "all", "place"),
        (SplitConfig(method="kfold", by="place"), "validation", "place"),
        # Validation scenes come from the sites that also train; the test side is a whole site.
        (SplitConfig(method="leave_one_out", by="site", held_out="duck"), "validation", "scene"),
        (SplitConfig(method="leave_one_out", by="site", held_out="duck"), "training", "scene"),
        (SplitConfig(method="leave_one_out", by="site", held_out="duck"), "test", "site"),
        (SplitConfig(method="leave_one_out", by="site", held_out="duck"), "all", "site"),
        (SplitConfig(method="given", by="place", sides="sides.csv"), "test", "scene"),
        (SplitConfig(method="paper", by="place"), "validation", "scene"),
    ],
)
def test_the_unit_is_what_the_split_kept_together(split, side, kind):
    """A table of sides and the paper's order name no unit, so scenes are redrawn."""
    expected = {"scene": SCENES, "site": SITES, "place": PLACES}[kind]

    assert find_units(Pairs(), SAMPLES, split, side) == Units(kind, expected)


def test_a_copy_belongs_to_the_unit_of_its_pair():
    """The samples of the paper's split are copies."""
    samples = [12 + 5, 0, 24 + 11]
    paper, places = SplitConfig(method="paper"), SplitConfig(by="place")

    assert find_units(Pairs(), samples, paper, "validation").names == ["scene2", "scene0", "scene5"]
    assert find_units(Pairs(), samples, places, "validation").names == ["cove", "cape", "bay"]


def test_units_that_share_an_image_are_one_unit():
    """So are they in the split; scenes remain apart, as in results of earlier versions."""
    images = [str(number) for number in SAMPLES]
    images[11] = images[0]

    places = find_units(Pairs(images), SAMPLES, SplitConfig(by="place"), "all")

    assert places.names == ["bay"] * 4 + ["cove"] * 4 + ["bay"] * 4
    assert places.number == 2
    assert find_units(Pairs(images), SAMPLES, SplitConfig(), "all").names == SCENES


@pytest.mark.parametrize(
    ("split", "groups"),
    [
        (SplitConfig(by="tide"), {}),
        (SplitConfig(by="tide"), {"tide": ["low"] * 11 + [""]}),
        (SplitConfig(by="site"), {"site": ["all"] * 12}),
        (SplitConfig(method="leave_one_out", by="tide", held_out="low"), {}),
    ],
    ids=["no column", "an empty cell", "unknown sites", "one left out"],
)
def test_scenes_are_redrawn_if_other_data_do_not_say_their_unit(split, groups):
    """A note says so, and what that may do to the intervals."""
    found = find_units(Pairs(**groups), SAMPLES, split, "all")

    assert found[:2] == ("scene", SCENES)
    assert found.note == (
        f"The split of the training kept every {split.by} together, but these images do not say theirs, so scenes are "
        "redrawn; intervals are too narrow if these scenes are alike in groups."
    )


def test_the_coarsest_units_contain_all_others():
    """Tiles are in scenes, scenes in places, places in sites; dates cross them."""
    tiles, scenes = Units("tile", [str(number) for number in SAMPLES]), Units("scene", SCENES)
    places, sites, dates = Units("place", PLACES), Units("site", SITES), Units("date", ["1", "2"] * 6)

    assert find_coarsest([scenes, sites, tiles, places]) is sites
    assert find_coarsest([scenes]) is scenes
    assert find_coarsest([tiles, dates]) is dates
    assert find_coarsest([dates, scenes]) is None
    assert list_kinds([scenes, dates, scenes]) == "scenes or dates"


PARTITIONS = st.integers(1, 8).flatmap(
    lambda images: st.lists(st.lists(st.sampled_from("abcd"), min_size=images, max_size=images), min_size=1, max_size=3)
)


@given(PARTITIONS)
def test_no_unit_of_any_run_is_divided(partitions):
    """Any two images that share a unit of one run share a unit of the coarsest."""
    candidates = [Units("place", names) for names in partitions]
    found = find_coarsest(candidates)

    def together(names):
        return {(one, other) for one in range(len(names)) for other in range(one) if names[one] == names[other]}

    unions = set().union(*(together(names) for names in partitions))
    if found is None:
        assert all(together(names) != unions for names in partitions)
    else:
        assert found in candidates
        assert together(found.names) == unions


@pytest.mark.parametrize(
    ("kind", "one", "several"),
    [
        ("scene", "1 scene", "38 scenes"),
        ("place", "1 place", "38 places"),
        ("country", "1 unit by country", "38 units by country"),
        ("batch", "1 unit by batch", "38 units by batch"),
        ("Place", "1 unit by Place", "38 units by Place"),
        ("<b> $x$", "1 unit by <b> $x$", "38 units by <b> $x$"),
    ],
)
def test_units_are_counted_in_english(kind, one, several):
    """A column may have any name, and not every plural just adds an s."""
    assert (count_units(1, kind), count_units(38, kind)) == (one, several)
    assert name_units(kind) == several.removeprefix("38 ")


def test_units_of_a_side_are_counted_with_it():
    """The same name is counted once."""
    assert Units("place", PLACES).describe("validation") == "3 validation places"
    assert Units("country", ["x", "x"]).describe("test") == "1 test unit by country"
    assert Units("place", PLACES).plural == "places"
