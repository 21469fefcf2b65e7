"""The environment of many runs is told once, and what differs with its runs."""

from gym.reporting.pages import environment_rows

COMMON = {"git_commit": "abc", "version.keras": "3.15", "machine": "m 2 cores", "attempt": "x", "mlflow.user": "me"}


def test_what_is_the_same_is_told_once():
    """Code and machine first, then packages; nothing else that is tagged."""
    rows = environment_rows([COMMON, COMMON])

    assert rows == [("commit of the code", "abc"), ("machine", "m 2 cores"), ("keras", "3.15")]


def test_what_differs_is_told_with_its_runs():
    """The most frequent first; a run that noted nothing counts nowhere."""
    runs = [COMMON | {"precision": name} for name in ("float32", "mixed_bfloat16", "mixed_bfloat16")]

    assert ("precision", "mixed_bfloat16 (2 runs), float32 (1 run)") in environment_rows([*runs, COMMON, {}])


def test_of_no_run_there_is_no_environment():
    """As where MLflow knows none of them."""
    assert environment_rows([]) == []
