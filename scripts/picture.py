"""Update the README's picture from the most recent default run: python scripts/picture.py."""

from pathlib import Path

from mlflow.artifacts import download_artifacts
from PIL import Image

from gym.config.schema import TrackingConfig
from gym.runs.mlflow_lookup import find_run
from gym.runs.tracking_uri import tracking_uri

WIDTH = 1000

root = Path(__file__).parent.parent
outputs = root / "outputs"
run = find_run(TrackingConfig(), outputs, "resunet cce f6")
sheet = download_artifacts(
    run_id=run.info.run_id, artifact_path="contact_sheet.png", tracking_uri=tracking_uri(TrackingConfig(), outputs)
)
with Image.open(sheet) as picture:
    height = round(picture.height * WIDTH / picture.width)
    small = picture.convert("RGB").resize((WIDTH, height), Image.Resampling.LANCZOS)
    small.save(root / "docs" / "contact_sheet.jpg", quality=85)
