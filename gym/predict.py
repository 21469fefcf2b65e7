"""Segment a folder of images with a trained model: ``python -m gym.predict run=RUN input=IMAGES output=LABELS``."""

from gym.app.entry import command

main = command("predict")

if __name__ == "__main__":
    main()
