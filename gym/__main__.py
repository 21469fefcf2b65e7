"""Run a command: ``python -m gym COMMAND ...``, or ``segsweep COMMAND ...`` once installed."""

from gym.app.entry import dispatch

if __name__ == "__main__":
    dispatch()
