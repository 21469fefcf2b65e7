"""Build a dataset of labelled imagery: ``python -m gym.make_dataset data=folder data.images=[...] data.labels=...``."""

from gym.app.entry import command

main = command("make_dataset")

if __name__ == "__main__":
    main()
