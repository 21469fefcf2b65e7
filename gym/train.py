"""Train, score and log one configuration: ``python -m gym.train model=resunet loss=cce filters=6``."""

from gym.app.entry import command

main = command("train")

if __name__ == "__main__":
    main()
