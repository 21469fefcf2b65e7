"""Names cannot act on the terminal, wherever they are printed."""

import logging
import logging.config
import sys
import unicodedata

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table

from gym.app import command_line
from gym.config.schema import Config
from gym.core.errors import DataError
from gym.core.escape import escape_text
from gym.core.text import plain_console
from tests.conftest import ROOT

NASTY = "\x1b[31mred\x1b[0m\nnew\rline\ttab\x07\x9b\u202egpj.exe\u2028\u200b\udc80"
SHOWN = r"\x1b[31mred\x1b[0m\nnew\rline\ttab\x07\x9b\u202egpj.exe\u2028\u200b\udc80"
PLAIN = "Küste 海岸 пляж شاطئ 🌊 e\u0301 [bold] :sun: a\u00a0b \\n"


@pytest.mark.parametrize(("text", "shown"), [(NASTY, SHOWN), (PLAIN, PLAIN), ("", "")])
def test_control_characters_are_escaped_and_letters_stay(text, shown):
    """Markup and backslashes stay, too."""
    assert escape_text(text) == shown


@given(st.text(st.characters(), max_size=50))
def test_escaped_text_is_one_harmless_line(text):
    """No control character, no change of direction and no line break is left."""
    escaped = escape_text(text)

    assert not {unicodedata.category(letter) for letter in escaped} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert len(escaped.splitlines()) <= 1
    assert escape_text(escaped) == escaped


def test_the_console_escapes_strings_and_cells(capsys):
    """A table keeps its shape."""
    console = plain_console()
    console.print(f"left out {NASTY}")
    console.print_lines([NASTY, PLAIN])
    table = Table(NASTY)
    table.add_row(NASTY)
    console.print(table)

    first, second, third, *rows = capsys.readouterr().out.splitlines()
    assert (first, second, third) == (f"left out {SHOWN}", SHOWN, PLAIN)
    assert [SHOWN in row for row in rows] == [False, True, False, True, False]


def test_log_messages_are_escaped():
    """The configuration of all commands does it; a traceback keeps its lines."""
    settings = yaml.safe_load((ROOT / "conf" / "hydra" / "job_logging" / "escaped.yaml").read_text())
    formatter = logging.config.DictConfigurator(settings).configure_formatter(settings["formatters"]["escaped"])
    values = {"msg": "left out %s", "args": (NASTY,)}

    assert formatter.format(logging.makeLogRecord(values)) == f"left out {SHOWN}"
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        text = formatter.format(logging.makeLogRecord(values | {"exc_info": sys.exc_info()}))
    assert text.startswith(f"left out {SHOWN}\nTraceback (most recent call last):\n")


@pytest.mark.parametrize("name", ["config", "evaluate", "make_dataset", "predict", "publish", "report"])
def test_every_command_logs_escaped_messages(name):
    """Each chooses the same logging."""
    assert {"override hydra/job_logging": "escaped"} in yaml.safe_load((ROOT / "conf" / f"{name}.yaml").read_text())[
        "defaults"
    ]


def test_an_error_is_one_escaped_line(capsys):
    """The message may contain the name of a file."""
    with pytest.raises(SystemExit), command_line.exit_on_error(Config):
        raise DataError(f"{NASTY} cannot be read.")

    assert capsys.readouterr().err == f"error: {SHOWN} cannot be read.\n"
