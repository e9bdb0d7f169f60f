"""Train, or sweep with -m; see `python train.py --help`."""

from omegaconf import DictConfig

from etm_lightning.execute.app import app


@app
def main(cfg: DictConfig) -> float | dict[str, float] | None:
    """Train what the config describes; a search goes by the best checkpoint's monitored value."""
    from etm_lightning.execute.train import train

    return train(cfg).answer


if __name__ == "__main__":
    main()
