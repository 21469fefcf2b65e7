"""Run a command of the program: ``python -m gym COMMAND ...``, or ``segsweep COMMAND ...`` where it is installed."""

from gym.app.command_line import dispatch

if __name__ == "__main__":
    dispatch()
