"""Translate a Segmentation Gym configuration into an experiment: ``python -m gym.import_config OLD.json``."""

from gym.app.entry import command

main = command("import_config")

if __name__ == "__main__":
    main()
