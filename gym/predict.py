"""Segment a folder of images with a trained run: ``python -m gym.predict run=RUN input=IMAGES output=LABELS``."""

from gym.app.command_line import command

main = command("predict")

if __name__ == "__main__":
    main()
