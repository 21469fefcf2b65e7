"""The quiet start: silent where all is well, telling where it is not, and without a trace behind it."""

import gc
import os

import pytest

from gym.quiet import quiet_start


def test_what_libraries_say_is_held_back(capfd):
    """Also what C libraries write; afterwards standard error is as before."""
    with quiet_start():
        os.write(2, b"no GPU here\n")
    os.write(2, b"after\n")

    assert capfd.readouterr().err == "after\n"


def test_it_is_shown_where_the_start_fails(capfd):
    """It may say why."""

    def start():
        with quiet_start():
            os.write(2, b"the reason\n")
            raise ImportError("broken")

    with pytest.raises(ImportError, match="broken"):
        start()
    assert capfd.readouterr().err == "the reason\n"


@pytest.mark.parametrize("collects", [True, False])
def test_garbage_is_collected_afterwards_where_it_was_before(collects):
    """And not meanwhile; also after a failure."""
    try:
        if not collects:
            gc.disable()
        with quiet_start():
            assert not gc.isenabled()
        assert gc.isenabled() == collects
        with pytest.raises(ImportError), quiet_start():
            raise ImportError
        assert gc.isenabled() == collects
    finally:
        gc.enable()


def test_what_is_imported_is_never_searched_again():
    """What comes after the first block is: else each run would leave its garbage."""
    gc.unfreeze()
    with quiet_start():
        pass
    frozen = gc.get_freeze_count()
    with quiet_start():
        of_a_run = [[] for _ in range(1000)]

    assert frozen > 10_000
    assert gc.get_freeze_count() == frozen
    assert len(of_a_run) == 1000  # alive until here
