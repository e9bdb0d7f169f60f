"""What `fast_log` costs a training on the CPU that logs many metrics a step, beside `self.log`.

    python benchmarks/fast_log.py [--metrics 1,10,50] [--pairs 5] [--steps 1000] [--every 1]
                                  [--kinds tensors,floats,tensors+epoch] [--clock wall]

Each training is a process of its own, with an ETMLogger; those of a pair run one after the other, so that a
slow machine is slow for both. In a training blocks of 20 steps take turns, one of each way a round, in an
order that is drawn. A block logs; or makes the dict of values and takes the numbers out of it, without
logging them; or makes the dict and writes a line as long as the journal's, made beforehand, to a file beside
it, by `os.write` alone; or does nothing. What a way costs is by how much the median of its steps is above
that of the steps that do nothing in the same round, and of this the median over rounds; what `self.log`
costs, above those of the training with `fast_log`, since Lightning goes on to walk over what it was given
once.

Beside it, what the values alone cost whoever wants them, and the dict and that line: the least that any
logger costs which leaves each step's values with the system at once. Then the median of the calls alone,
since the rest is what comes after and finds colder caches, and the three costs once more, of the rounds only
that the machine left alone (see `quiet.py`). With `--clock cpu` only what the training's thread itself
computes counts, whatever else the machine does. Values are tensors on the CPU (`tensors`), Python's numbers
(`floats`), or tensors whose epoch's mean is logged, too (`tensors+epoch`). Needs the extra [bench].
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any, NamedTuple

import quiet

KINDS = ("tensors", "floats", "tensors+epoch")
CLOCKS = {"wall": time.perf_counter, "cpu": time.thread_time}
WAYS = ("log", "take", "write", "plain")
BLOCK = 20
WARM_UP = 2
"""Rounds that do not count."""
LEAST_ROUNDS = 5
HEAD = 87
"""Bytes of a line of the journal besides its values and its end."""

Round = dict[str, quiet.Block]
"""A block of each way."""


class Training(NamedTuple):
    """Seconds of the steps, round by round, and of the calls alone."""

    rounds: list[Round]
    calls: list[float]


def train(given: argparse.Namespace) -> Training:
    """One training in this process."""
    import logging
    import warnings

    import lightning.pytorch as pl
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    from etm_lightning import ETMLogger, fast_log

    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    names = [f"train/metric_{i}" for i in range(int(given.metrics))]
    number = 0.25 if given.kind == "floats" else 0.12345678901234567
    line = (HEAD * " " + json.dumps(dict.fromkeys(names, number), separators=(",", ":")) + "\n").encode()
    dice, rounds = random.Random(0), WARM_UP + 1 + -(-given.steps // BLOCK)
    ways = [way for _ in range(rounds) for way in dice.sample(WAYS, len(WAYS))]
    options: Any = {"on_step": True, "on_epoch": given.kind.endswith("epoch")}
    clock = CLOCKS[given.clock]

    class Line(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.line = torch.nn.Linear(32, 2)
            self.began: float | None = None
            self.loops = [quiet.loop()]
            self.times: list[list[float]] = []
            self.calls: list[float] = []

        def training_step(self, batch: Any, index: int) -> Any:
            now = clock()
            if self.began is not None:
                self.times[-1].append(now - self.began)
            if index % BLOCK == 0:
                self.loops.append(quiet.loop())
                self.times.append([])
                now = clock()
            self.began = now
            loss = self.line(batch[0]).square().mean()
            way = ways[index // BLOCK]
            values = (
                {} if way == "plain" else dict.fromkeys(names, number if given.kind == "floats" else loss)
            )
            if way == "take":
                [float(value) for value in values.values()]
            elif way == "write":
                os.write(beside, line)
            elif way == "log":
                asked = clock()
                if given.one == "fast_log":
                    fast_log(self, values, **options)
                else:
                    self.log_dict(values, **options)
                self.calls.append(clock() - asked)
            return loss

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.01)

    model = Line()
    data = DataLoader(TensorDataset(torch.randn(len(ways) * BLOCK * 4, 32)), batch_size=4)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        beside = os.open(f"{folder}/beside", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        logger: Any = ETMLogger("bench", folder, shipper=False)
        pl.Trainer(
            accelerator="cpu",
            max_epochs=1,
            log_every_n_steps=given.every,
            logger=logger,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
        ).fit(model, data)
    around = map(max, itertools.pairwise(model.loops[1:]))
    blocks = iter([(way, (loop, steps)) for way, loop, steps in zip(ways, around, model.times, strict=False)])
    rounds = [dict(some) for some in zip(*[blocks] * len(WAYS), strict=False)]
    return Training(rounds[WARM_UP:], model.calls[WARM_UP * BLOCK :])


def cost(way: str, rounds: list[Round], least: float = math.inf) -> float:
    """µs that a step of `way` takes longer than a plain one of its round; NaN where too few were quiet."""
    pairs = [[quiet.figures([one[name]], least) for name in (way, "plain")] for one in rounds]
    found = [statistics.median(steps) - statistics.median(plain) for steps, plain in pairs if steps and plain]
    return 1e6 * statistics.median(found) if len(found) >= LEAST_ROUNDS else math.nan


def median(way: str, rounds: list[Round]) -> float:
    """µs of a step."""
    return 1e6 * statistics.median(itertools.chain(*(one[way][1] for one in rounds)))


def least_loop(trainings: list[Training]) -> float:
    return min(took for training in trainings for one in training.rounds for took, _ in one.values())


def measured(way: str, kind: str, metrics: int, given: argparse.Namespace) -> Training:
    """What `train` finds in a new process."""
    command = [sys.executable, __file__, "--one", way, "--kind", kind, "--metrics", str(metrics)]
    command += ["--steps", str(given.steps), "--every", str(given.every), "--clock", given.clock]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return Training(*json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Run pairs, print costs and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--metrics", default="1,10,50")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--steps", type=int, default=1000, help="that log")
    parser.add_argument("--every", type=int, default=1, help="log_every_n_steps")
    parser.add_argument("--clock", default="wall", choices=CLOCKS)
    parser.add_argument("--kinds", default=",".join(KINDS), help="which values")
    parser.add_argument("--kind", default="tensors", choices=KINDS, help=argparse.SUPPRESS)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(train(given)))
        return
    print(f"log_every_n_steps={given.every}, {given.clock} clock, µs, median of {given.pairs} pairs")
    heads = ("step", "self.log", "ratio", "call", *2 * ("fast_log", "values", "write"), "rounds")
    print(f"{'metrics':>7}  {'values':<14}" + "".join(f"{head:>9}" for head in heads))
    for metrics in map(int, given.metrics.split(",")):
        for kind in given.kinds.split(","):
            pairs = [
                tuple(measured(way, kind, metrics, given) for way in ("fast_log", "self.log"))
                for _ in range(given.pairs)
            ]
            row = figures_of(pairs)
            print(f"{metrics:>7}  {kind:<14}" + "".join(f"{cell:>9}" for cell in row), flush=True)


def figures_of(pairs: list[tuple[Training, ...]]) -> list[str]:
    """The cells of a line: of all steps, and of those that were quiet."""
    slow_cost = statistics.median(
        median("log", slow.rounds) - median("plain", fast.rounds) for fast, slow in pairs
    )
    rounds = list(itertools.chain(*(fast.rounds for fast, _ in pairs)))
    call = 1e6 * statistics.median(itertools.chain(*(fast.calls for fast, _ in pairs)))
    figures = [median("plain", rounds), slow_cost, slow_cost / cost("log", rounds), call]
    least = least_loop([both for pair in pairs for both in pair])
    figures += [cost(way, rounds, most) for most in (math.inf, least) for way in ("log", "take", "write")]
    calm = [one for one in rounds if max(one["log"][0], one["plain"][0]) <= quiet.SLACK * least]
    return [f"{figure:.0f}" for figure in figures] + [f"{len(calm):,}"]


if __name__ == "__main__":
    main()
