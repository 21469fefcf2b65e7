"""Run a command: ``python -m gym COMMAND ...``, or ``segsweep COMMAND ...`` once installed."""

from gym.app.command_line import dispatch

if __name__ == "__main__":
    dispatch()
