"""Train, or sweep with -m; see `python train.py --help`."""

from omegaconf import DictConfig

from etm_lightning.execute.app import app


@app
def main(cfg: DictConfig) -> float | None:
    """Train what the config describes; the objective is the best checkpoint's monitored value."""
    from etm_lightning.execute.train import train

    return train(cfg).objective


if __name__ == "__main__":
    main()
