"""Evaluate trained models: ``python -m gym.evaluate run=RUN``."""

from gym.app.entry import command

main = command("evaluate")

if __name__ == "__main__":
    main()
