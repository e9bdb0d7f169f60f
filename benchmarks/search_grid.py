"""The classic search beside a pruned one: entity recognition on CoNLL files, both with the same most epochs.

    python benchmarks/search_grid.py [FOLDER] [--rows 400] [--seeds 5] [--trials 12]

Without a FOLDER the sentences are made of templates, which a small model learns in minutes.
The grid is that of `experiment=conll2003`: learning rate x batch size x epochs. TPE with ASHA searches the
same learning rates, as an interval, and the same batch sizes, each trial with the grid's most epochs. Prints
for each seed the best validation entity F1, the epochs trained for it, and the winner's test F1.
"""

from __future__ import annotations

import argparse
import itertools
import random
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from search_runs import Stop, Trained, train

from etm_lightning.design.space import Choice, Interval, Space
from etm_lightning.optimize.study import Study
from etm_lightning.text.conll import CoNLLData
from etm_lightning.text.modules import TokenClassifier

RATES, SIZES, EPOCHS = (3e-5, 1e-4, 3e-4), (16, 32), (2, 3, 4)
Run = Callable[[float, int, int, Stop], Trained]
"""A learning rate, a batch size and a number of epochs, to what training with them came to."""


@dataclass(frozen=True)
class Searched:
    """What a search found: the best validation value, the epochs it trained, the winner's test value."""

    best: float
    epochs: int
    test: float


TEMPLATES = (
    "{P} flew from {L} to {L} for {O}",
    "the board of {O} met {P} in {L}",
    "{O} bought {O} , said {P}",
    "in {L} it rained while {P} played",
    "{P} and {P} left {O} yesterday",
    "shares of {O} fell in {L} on Monday",
)
NAMES = {
    "P": "Anna Bell;Omar Diaz;Li Wei;Ruth Okoye;Jan Novak;Maria Rossi;Tom Hill;Priya Nair;Ida Holm;Max Braun",
    "L": "Lyon;New Delhi;Oslo;Cape Town;Lima;Kyoto;Ghent;San Jose;Accra;Perth",
    "O": "Norvex;Blue Harbor Bank;Teltron;Quill and Sons;Arcadia Foods;Ostra;Delta Rail;Hanlon Group",
}
KINDS = {"P": "PER", "L": "LOC", "O": "ORG"}


def sentences(folder: Path, rows: int) -> None:
    """Write CoNLL files of sentences made of templates; only one name of each kind is in all of them."""
    for part, (name, count) in enumerate((("train", rows), ("dev", 100), ("test", 200))):
        chance, lines = random.Random(part), []
        for _ in range(count):
            for word in chance.choice(TEMPLATES).split():
                kind = word.strip("{}")
                if kind not in KINDS:
                    lines.append(f"{word} O")
                    continue
                known = NAMES[kind].split(";")
                for at, piece in enumerate(chance.choice(known[part::3] + known[:1]).split()):
                    lines.append(f"{piece} {'I' if at else 'B'}-{KINDS[kind]}")
            lines.append("")
        (folder / f"{name}.conll").write_text("\n".join(lines) + "\n")


def go_on(epoch: int, value: float, seconds: float) -> bool:
    return False


def grid(run: Run) -> Searched:
    """Every combination."""
    epochs, winner = 0, None
    for point in itertools.product(RATES, SIZES, EPOCHS):
        done = run(*point, go_on)
        epochs += len(done.values)
        winner = done if winner is None or done.best > winner.best else winner
    assert winner is not None
    return Searched(winner.best, epochs, winner.test())


def pruned(run: Run, trials: int, seed: int) -> Searched:
    """TPE and ASHA over the same ranges."""
    rate = Interval("lr", min(RATES), max(RATES), log=True)
    space = Space((rate, Choice("batch_size", tuple(map(str, SIZES)))))
    epochs, winner = 0, None
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "study.log"
        study = Study(file, space, sampler="tpe", pruner="asha", directions=("maximize",), seed=seed)
        for _ in range(trials):
            asked = study.ask()
            assert asked is not None
            number, point = asked

            def stop(epoch: int, value: float, seconds: float, number: int = number) -> bool:
                return epoch < max(EPOCHS) and study.report(number, epoch, value)

            done = run(float(point["lr"]), int(point["batch_size"]), max(EPOCHS), stop)
            study.tell(number, "pruned" if done.stopped else "finished", [done.best])
            epochs += len(done.values)
            if not done.stopped and (winner is None or done.best > winner.best):
                winner = done
    assert winner is not None
    return Searched(winner.best, epochs, winner.test())


def table(pairs: Sequence[tuple[Searched, Searched]]) -> str:
    """Both searches by seed, and the medians."""
    side = f"{'epochs':>6} {'test F1':>8}"
    head = f"{'seed':>6}  {'grid: val F1':>12} {side}   {'TPE+ASHA: val F1':>16} "
    lines = [head + f"{side}  {'share of epochs':>15}"]
    rows = [(str(seed), *pair) for seed, pair in enumerate(pairs, start=1)]
    middle = [
        Searched(
            statistics.median(one.best for one in part),
            round(statistics.median(one.epochs for one in part)),
            statistics.median(one.test for one in part),
        )
        for part in zip(*pairs, strict=True)
    ]
    for name, one, other in [*rows, ("median", *middle)]:
        lines.append(
            f"{name:>6}  {one.best:12.4f} {one.epochs:6} {one.test:8.4f}   "
            f"{other.best:16.4f} {other.epochs:6} {other.test:8.4f}  {other.epochs / one.epochs:15.0%}"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--rows", type=int, default=400, help="training sentences")
    parser.add_argument("--max-length", type=int, default=48)
    parser.add_argument("--freeze", type=int, default=0, help="bottom layers that stay as they are")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=12)
    given = parser.parse_args()
    if given.folder is None:
        given.folder = Path(tempfile.mkdtemp())
        sentences(given.folder, given.rows)
    known: dict[int, CoNLLData] = {}

    def data(size: int) -> CoNLLData:
        if size not in known:
            known[size] = CoNLLData(
                dir=str(given.folder),
                batch_size=size,
                max_length=given.max_length,
                limit_train_rows=given.rows,
            )
            known[size].prepare_data()
            known[size].setup("fit")
        return known[size]

    pairs = []
    for seed in range(1, given.seeds + 1):

        def run(lr: float, size: int, epochs: int, stop: Stop, seed: int = seed) -> Trained:
            options = {"lr": lr, "freeze": given.freeze}
            return train(
                *(data(size), TokenClassifier, options),
                epochs=epochs,
                seed=seed,
                monitor="val/f1",
                stop=stop,
            )

        pairs.append((grid(run), pruned(run, given.trials, seed)))
        print(table(pairs), flush=True)


if __name__ == "__main__":
    main()
