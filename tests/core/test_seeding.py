"""A draw depends on its seed, purpose and counters, and on nothing else."""

from hypothesis import given
from hypothesis import strategies as st

from gym.core.seeding import derive_seed, generator

seeds = st.integers(0, 2**40)


@given(seed=seeds, epoch=st.integers(0, 10_000))
def test_a_derived_seed_is_a_function_of_its_arguments(seed, epoch):
    """Equal arguments give equal seeds, within the range that all libraries accept."""
    assert derive_seed(seed, "order", epoch) == derive_seed(seed, "order", epoch)
    assert 0 <= derive_seed(seed, "order", epoch) < 2**31


def test_purposes_and_counters_do_not_share_streams():
    """Three purposes over 500 epochs give almost no equal seeds."""
    drawn = {derive_seed(7, purpose, epoch) for purpose in ("order", "augment", "dropout") for epoch in range(500)}

    assert len(drawn) > 1490


def test_generators_of_two_purposes_differ():
    """The split does not depend on what other parts of the program draw."""
    assert generator(3, "split").integers(1 << 60) == generator(3, "split").integers(1 << 60)
    assert generator(3, "split").integers(1 << 60) != generator(3, "noise").integers(1 << 60)
