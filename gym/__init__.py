"""U-Net and Res-UNet segmentation of multi-band Earth imagery, swept by Hydra and logged to MLflow."""

__version__ = "0.1.0"
