"""Registries hold light entries by name, load the built-in ones once, and import implementations on use."""

import pytest

from gym.core.errors import ConfigError
from gym.core.registry import Entry, Registry, import_object


@pytest.fixture
def shapes():
    registry = Registry("shape", "draw.shape", Entry)
    registry.register(Entry("circle", "Circle", "math:tau", uses=("radius",)))
    registry.register(Entry("square", "Square", "math:floor"))
    return registry


def test_entries_are_found_by_name_in_the_order_of_registration(shapes):
    """Each says which keys it uses."""
    assert shapes.names == ("circle", "square")
    assert [entry.title for entry in shapes] == ["Circle", "Square"]
    assert shapes.get("square").title == "Square"
    assert "circle" in shapes
    assert "line" not in shapes
    assert shapes.users_of("radius") == ("circle",)


def test_a_name_can_be_registered_only_once(shapes):
    """The error says which plugin has registered it."""
    with pytest.raises(
        ConfigError, match=r"^shape circle is already registered by segsweep; register it under another name\.$"
    ):
        shapes.register(Entry("circle", "Disc", plugin="toy"))
    shapes.register(Entry("line", "Line", plugin="toy"))
    with pytest.raises(ConfigError, match=r"^shape line is already registered by plugin toy; register it under "):
        shapes.register(Entry("line", "Stroke"))


def test_an_unknown_name_is_refused(shapes):
    """The error lists the known names, and says how to add a plugin."""
    with pytest.raises(
        ConfigError,
        match=r"^draw\.shape=line must be one of circle, square; for one from a plugin, add plugins=MODULE\.$",
    ):
        shapes.get("line")


def test_the_entries_of_a_plugin_can_be_removed(shapes):
    """All other entries stay."""
    shapes.register(Entry("line", "Line", plugin="toy"))

    shapes.remove_plugin("toy")

    assert shapes.names == ("circle", "square")


def test_built_in_entries_are_read_on_first_use(tmp_path):
    """They come before those of plugins, even if a plugin is the first to use the registry; one is the default."""
    path = tmp_path / "shapes.yaml"
    shapes = Registry("shape", "draw.shape", Entry, path)
    path.write_text("circle: {title: Circle, uses: [radius]}\nsquare: {title: Square, is_default: true}\n")
    shapes.register(Entry("line", "Line", plugin="toy"))

    assert shapes.names == ("circle", "square", "line")
    assert shapes.default == "square"
    assert shapes.get("circle") == Entry("circle", "Circle", uses=("radius",))


def test_an_unknown_attribute_of_a_built_in_entry_is_an_error(tmp_path):
    """A typing error in the YAML file does not go unnoticed."""
    path = tmp_path / "shapes.yaml"
    path.write_text("circle: {title: Circle, colour: red}\n")

    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        Registry("shape", "draw.shape", Entry, path).get("circle")


def test_an_implementation_is_imported_by_its_path(shapes):
    """A path has the form ``module:object``."""
    assert shapes.get("circle").load() == pytest.approx(6.2832, abs=1e-4)


@pytest.mark.parametrize("path", ["no_such_module:build", "math:no_such_name", "math"])
def test_an_invalid_path_is_refused(path):
    """The error names the path and the entry that has it."""
    with pytest.raises(
        ConfigError, match=rf"^{path} \(toy\) must name an object that can be imported, as module:object; correct it "
    ):
        import_object(path, "toy")


def test_an_import_error_inside_an_implementation_is_not_hidden(tmp_path, monkeypatch):
    """It names the module that is really missing."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "needing.py").write_text("import no_such_module\n")

    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        import_object("needing:build", "toy")
