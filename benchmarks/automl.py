"""`search=automl` beside random search over the same space, for the same time. Prints the medians.

    python benchmarks/automl.py [--train texts.csv --validation other.csv] [--seconds 240] [--seeds 5]

Without files the task is BBC news (extra [demo]). The clock is CPU seconds of the trainings, in this process,
so that a loaded machine does not matter, and what a trial costs a study besides, measured once, is added for
each. A search ends when its time is up; the training that runs then counts as far as it came.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf
from search_race import APP, timed
from search_runs import Trained, train

from etm_lightning.design.conditions import conditioned
from etm_lightning.design.space import Point, Space, space
from etm_lightning.execute.conf import conf_folder
from etm_lightning.optimize.study import Study
from etm_lightning.text.bbc import BBCNews
from etm_lightning.text.modules import TextClassifier
from etm_lightning.text.tables import CSVData

MONITOR = "val/accuracy"


@dataclass(frozen=True)
class Searched:
    """What a search found: the best validation value, the winner's test value, and its trials."""

    best: float
    test: float
    trials: int


def recipe() -> tuple[Space, list[dict[str, Any]]]:
    """The space of the recipe, and what it tries first."""
    file = conf_folder() / "search" / "automl.yaml"
    known: Any = OmegaConf.to_container(OmegaConf.load(file))
    parse = OverridesParser.create().parse_overrides
    typed = space(parse([f"{name}={value}" for name, value in known["space"].items()]))
    return conditioned(typed, (), known["when"], parse), known["enqueue"]


def start_cost() -> float:
    """CPU seconds that a trial takes besides its training: what four more trials cost a study, by four."""
    imports = "import etm_lightning.execute.train, etm_lightning.text.modules, transformers\n"
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "app.py").write_text(APP)
        (place / "work.py").write_text(f"{imports}def work(seconds):\n    return seconds\n")
        spent = {}
        for trials in (2, 6):
            varied = ",".join(map(str, range(trials)))
            choice = ("hydra/sweeper=etm", "hydra/launcher=etm_local", f"hydra.sweep.dir=study{trials}")
            spent[trials] = timed(place, ["app.py", "-m", f"seconds={varied}", *choice])[1]
    return (spent[6] - spent[2]) / 4


@dataclass
class Bench:
    """A task, and how long a search may take. Seconds."""

    given: argparse.Namespace
    start: float

    def search(self, seed: int, automl: bool) -> Searched:
        """Search until the time is up."""
        tried, enqueue = recipe()
        spent, winner, trials = 0.0, None, 0
        options: dict[str, Any] = {"sampler": "random", "pruner": "none"}
        if automl:
            options = {"sampler": "tpe", "pruner": "asha", "enqueue": enqueue}
        with tempfile.TemporaryDirectory() as place:
            file = Path(place) / "study.log"
            study = Study(file, tried, directions=("maximize",), seed=seed, **options)
            while spent + self.start < self.given.seconds:
                asked = study.ask()
                assert asked is not None
                spent += self.start
                done = self._train(study, *asked, seed, self.given.seconds - spent)
                study.tell(asked[0], "pruned" if done.stopped else "finished", [done.best])
                spent, trials = spent + done.seconds[-1], trials + 1
                if winner is None or done.best > winner.best:
                    winner = done
        assert winner is not None, "--seconds is less than one epoch takes"
        return Searched(winner.best, winner.test(), trials)

    def _train(self, study: Study, number: int, point: Point, seed: int, left: float) -> Trained:
        options = {
            name.removeprefix("model."): yaml.safe_load(str(value))
            for name, value in point.items()
            if name != "batch_size"
        }
        options["lr"] = float(point["lr"])
        data = self._data(str(point["model.encoder"]), int(point["batch_size"]))
        most = self.given.epochs

        def stop(epoch: int, value: float, seconds: float) -> bool:
            return epoch < most and (study.report(number, epoch, value) or seconds > left)

        return train(data, TextClassifier, options, epochs=most, seed=seed, monitor=MONITOR, stop=stop)

    def _data(self, encoder: str, size: int) -> Any:
        common: dict[str, Any] = {
            "tokenizer": encoder,
            "batch_size": size,
            "max_length": self.given.max_length,
            "limit_train_rows": self.given.rows,
        }
        if self.given.train:
            files = {"train": self.given.train, "validation": self.given.validation}
            data: Any = CSVData(**{name: file for name, file in files.items() if file}, **common)
        else:
            data = BBCNews(**common)
        data.prepare_data()
        data.setup("fit")
        return data


def rows(pairs: list[tuple[Searched, Searched]]) -> Iterator[str]:
    """Both searches by seed, and the medians."""
    side = f"{'test':>6} {'trials':>6}"
    yield f"{'seed':>6}  {'automl: val':>11} {side}   {'random: val':>11} {side}"
    told = [(str(seed), *pair) for seed, pair in enumerate(pairs, start=1)]
    middle = [
        Searched(
            statistics.median(one.best for one in part),
            statistics.median(one.test for one in part),
            round(statistics.median(one.trials for one in part)),
        )
        for part in zip(*pairs, strict=True)
    ]
    for name, one, other in [*told, ("median", *middle)]:
        yield (
            f"{name:>6}  {one.best:11.4f} {one.test:6.4f} {one.trials:6.0f}   "
            f"{other.best:11.4f} {other.test:6.4f} {other.trials:6.0f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train")
    parser.add_argument("--validation")
    parser.add_argument("--rows", type=int, default=100, help="training rows")
    parser.add_argument("--max-length", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=240.0, help="of each search")
    parser.add_argument("--seeds", type=int, default=5)
    bench = Bench(parser.parse_args(), start_cost())
    print(f"{bench.given.seconds:g} CPU seconds each, of which the start of a trial takes {bench.start:.1f}")
    pairs = []
    for seed in range(1, bench.given.seeds + 1):
        pairs.append((bench.search(seed, automl=True), bench.search(seed, automl=False)))
        print("\n".join(rows(pairs)), flush=True)


if __name__ == "__main__":
    main()
