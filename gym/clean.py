"""List and clean what the outputs folder holds: ``python -m gym.clean``."""

from gym.app.entry import command

main = command("clean")

if __name__ == "__main__":
    main()
