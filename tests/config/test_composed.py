"""A composed configuration is read back from YAML, and damage ends in one kind of error."""

import pytest
from omegaconf import OmegaConf

from gym.config.composed import load_settings


def test_a_configuration_round_trips(tmp_path):
    """Interpolations stay as they are."""
    settings = OmegaConf.create({"a": {"b": [1, None, "x"]}, "c": "${a.b}"})
    (tmp_path / "config.yaml").write_text(OmegaConf.to_yaml(settings), encoding="utf-8")

    assert load_settings(tmp_path / "config.yaml") == settings


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: [1", "expected"),
        (b"\xff\xfe", "can't decode"),
        (b"- 1\n- 2\n", "holds ListConfig instead of a mapping"),
        (b"a: " + 2000 * b"[" + 2000 * b"]", "nested more than 32 deep"),
        (b"a: &x [1, 1]\nb: [*x, *x]\n", "aliases are not supported"),
        (b"a: " + (1 << 20) * b"x", "has more than 1048576 bytes"),
    ],
)
def test_damage_is_refused(tmp_path, content, message):
    """Aliases could expand a few lines to gigabytes."""
    (tmp_path / "config.yaml").write_bytes(content)

    with pytest.raises(ValueError, match=message):
        load_settings(tmp_path / "config.yaml")
