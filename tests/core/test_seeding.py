"""Randomness is a function of what it is for."""

from hypothesis import given
from hypothesis import strategies as st

from gym.core.seeding import derive_seed, generator

seeds = st.integers(0, 2**40)


@given(seed=seeds, epoch=st.integers(0, 10_000))
def test_a_derived_seed_is_a_function_of_its_arguments(seed, epoch):
    """The same arguments give the same seed, in the range that all libraries take."""
    assert derive_seed(seed, "order", epoch) == derive_seed(seed, "order", epoch)
    assert 0 <= derive_seed(seed, "order", epoch) < 2**31


def test_purposes_and_counters_do_not_share_streams():
    """Weights, order and augmentation of all epochs get different numbers."""
    drawn = {derive_seed(7, purpose, epoch) for purpose in ("order", "augment", "dropout") for epoch in range(500)}

    assert len(drawn) > 1490


def test_generators_of_two_purposes_differ():
    """What the split draws does not depend on what anything else draws."""
    assert generator(3, "split").integers(1 << 60) == generator(3, "split").integers(1 << 60)
    assert generator(3, "split").integers(1 << 60) != generator(3, "noise").integers(1 << 60)
