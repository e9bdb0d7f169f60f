"""`python -m etm_lightning` is `etm`."""

from etm_lightning.cli import main

if __name__ == "__main__":
    main()
