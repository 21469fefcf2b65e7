"""Publish a trained model as a zip and in MLflow's model registry: ``python -m gym.publish run=RUN``."""

from gym.app.entry import command

main = command("publish")

if __name__ == "__main__":
    main()
