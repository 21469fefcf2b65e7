"""Write a report on a sweep or a run: ``python -m gym.report sweep=SWEEP``, ``python -m gym.report run=RUN``."""

from gym.app.entry import command

main = command("report")

if __name__ == "__main__":
    main()
