"""Values of an old configuration survive writing them as YAML."""

from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from gym.config.legacy_values import to_yaml

values = st.recursive(
    st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.integers(), inner, max_size=3),
    max_leaves=6,
)


@given(values | st.text("\\${}:a'\" ").map(lambda piece: f"{piece}${{oc.env:HOME}}"))
def test_values_round_trip_through_yaml(value):
    """They may contain quotes, line breaks and text that looks like an interpolation."""
    read = OmegaConf.create(f"key: {to_yaml(value)}")

    assert OmegaConf.to_container(read, resolve=True)["key"] == value
