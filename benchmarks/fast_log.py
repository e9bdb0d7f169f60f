"""What `fast_log` costs a training on the CPU that logs many metrics a step, beside `self.log`.

    python benchmarks/fast_log.py [--metrics 1,10,50] [--pairs 5] [--steps 1000] [--every 1]
                                  [--kinds tensors,floats,tensors+epoch] [--clock wall]

Each training is a process of its own, with an ETMLogger; those of a pair run one after the other, so that a
slow machine is slow for both. A training logs in 20 steps, then makes the dict of values and takes the
numbers out of it in 20 without logging them, does neither in 20, and so on: what a step costs is the median
of those that log less the median of the last ones, both of the training with `fast_log`, since Lightning goes
on to walk over what `self.log` was given once. Beside it, the same of the steps only that the machine left
alone (see `quiet.py`), what of these the values alone cost whoever wants them, and the median of the calls
alone: the rest is what comes after and finds colder caches. With `--clock cpu` only what the training's
thread itself computes counts, whatever else the machine does. Values are tensors on the CPU (`tensors`),
Python's numbers (`floats`), or tensors whose epoch's mean is logged, too (`tensors+epoch`). Needs the extra
[bench].
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any, NamedTuple

import quiet

KINDS = ("tensors", "floats", "tensors+epoch")
CLOCKS = {"wall": time.perf_counter, "cpu": time.thread_time}
BLOCK = 20
WARM_UP = 6 * BLOCK


Blocks = list[quiet.Block]


class Training(NamedTuple):
    """Seconds of the steps that log, that take the numbers only, and of the others; and of the calls."""

    logging: Blocks
    taking: Blocks
    plain: Blocks
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
            what = index // BLOCK % 3
            values = dict.fromkeys(names, 0.25 if given.kind == "floats" else loss) if what < 2 else {}
            if what == 1:
                [float(value) for value in values.values()]
            elif values:
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
    data = DataLoader(TensorDataset(torch.randn((3 * given.steps + WARM_UP) * 4, 32)), batch_size=4)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
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
    blocks = list(zip(around, model.times, strict=False))[WARM_UP // BLOCK :]
    return Training(blocks[0::3], blocks[1::3], blocks[2::3], model.calls[WARM_UP // 3 :])


def costs(logging: Blocks, plain: Blocks, least: float = math.inf) -> tuple[float, float] | None:
    """µs of a step that does not log, and what logging adds; None where too few steps were quiet."""
    kept = [quiet.figures(blocks, least) for blocks in (logging, plain)]
    if min(map(len, kept)) < BLOCK:
        return None
    with_, without = (1e6 * statistics.median(steps) for steps in kept)
    return without, with_ - without


def least_loop(trainings: list[Training]) -> float:
    return min(took for one in trainings for part in (one.logging, one.taking, one.plain) for took, _ in part)


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
    print(f"log_every_n_steps={given.every}, {given.clock} clock, median of {given.pairs} pairs")
    heads = ("step µs", "fast_log µs", "self.log µs", "ratio", "call µs", "quiet µs", "values µs", "steps")
    print(f"{'metrics':>7}  {'values':<14}" + "".join(f"{head:>13}" for head in heads))
    for metrics in map(int, given.metrics.split(",")):
        for kind in given.kinds.split(","):
            pairs = [
                tuple(measured(way, kind, metrics, given) for way in ("fast_log", "self.log"))
                for _ in range(given.pairs)
            ]
            row = figures_of(pairs)
            print(f"{metrics:>7}  {kind:<14}" + "".join(f"{cell:>13}" for cell in row), flush=True)


def figures_of(pairs: list[tuple[Training, ...]]) -> list[str]:
    """The cells of a line: of all steps, and of those that were quiet."""
    found = []
    for fast, slow in pairs:
        step, added = costs(fast.logging, fast.plain) or (math.nan, math.nan)
        found.append((step, added, (costs(slow.logging, fast.plain) or (0, math.nan))[1]))
    step, fast_cost, slow_cost = (statistics.median(column) for column in zip(*found, strict=True))
    ratio = statistics.median(slow / fast for _, fast, slow in found)
    trainings = [fast for fast, _ in pairs]
    logging, taking, plain = (
        list(itertools.chain(*parts))
        for parts in zip(*((one.logging, one.taking, one.plain) for one in trainings), strict=True)
    )
    least = least_loop([both for pair in pairs for both in pair])
    calm = [costs(some, plain, least) for some in (logging, taking)]
    call = 1e6 * statistics.median(itertools.chain(*(one.calls for one in trainings)))
    cells = [f"{figure:.0f}" for figure in (step, fast_cost, slow_cost, ratio, call)]
    cells += [f"{one[1]:.0f}" if one else "-" for one in calm]
    return [*cells, f"{len(quiet.figures(logging, least)):,}"]


if __name__ == "__main__":
    main()
