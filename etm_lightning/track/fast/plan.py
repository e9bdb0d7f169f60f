"""What one place of a training gives to `fast_log`: names, where they go, and how they are reduced."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from typing import Any, NamedTuple

from etm_lightning.native import lines as native
from etm_lightning.track.fast.rows import Place
from etm_lightning.track.fast.values import Kind, Reader, add


class Meaning(NamedTuple):
    """How values are logged, with all defaults filled in."""

    on_step: bool
    on_epoch: bool
    prog_bar: bool
    reduction: str
    sync_dist: bool
    logger: bool
    """`sync_dist` says that there are ranks to reduce over, too."""

    @property
    def forked(self) -> bool:
        return self.on_step and self.on_epoch


class Key(NamedTuple):
    """Whose values they are: a hook's, of one of the data loaders of an evaluation."""

    fx: str
    dataloader: int | None

    @property
    def stage(self) -> str:
        if "validation" in self.fx:
            return "validate"
        return "test" if "test" in self.fx else "train"

    @property
    def suffix(self) -> str:
        return "" if self.dataloader is None else f"/dataloader_idx_{self.dataloader}"


class Plan:
    """The values of one call, for an epoch: `near` are in this process's memory, `far` on a device.

    Attributes:
        passed: names of what Lightning itself logs; if `always`, at each call, else once.
        known: what it has got by these names.
        latest: the numbers and the vector of the newest call, if it logs steps.
        step, epoch: where they belong.
        row: for the numbers of a row; whoever gets it keeps nothing of it.
        alike: whether the values are a row as they are given.
        settled: whether a row of them is out of the question, or written.
        rows: how many rows there were.
        read: takes the numbers out of values like those it was made for; None if it takes more than that.
        after: whose values came after these when they came last; most likely they will again.
    """

    def __init__(self, key: Key, meaning: Meaning, near: list[str], far: list[str]) -> None:
        self.key, self.meaning, self.near, self.far = key, meaning, near, far
        self.options: tuple[Any, ...] = ()
        self.read: Reader | None = None
        self.after: Plan | None = None
        self.stage = key.stage
        self.near_at: list[int] | None = None
        self.far_at: list[int] = []
        self.kind: Kind = "mixed"
        self.near_steps = [self.step_name(name) for name in near]
        self.far_steps = [self.step_name(name) for name in far]
        self.passed: list[str] = []
        self.always = False
        self.known: dict[str, Any] = {}
        self.latest: tuple[list[float], Any] | None = None
        self.axis = "step" if self.stage == "train" else "eval_batch"
        self.step = 0
        self.epoch: int | None = None
        self.row = dict.fromkeys(self.near_steps, 0.0)
        self.alike = False
        self.settled = False
        self.rows = 0
        self.weight = 0.0
        self.near_sums = array("d")
        self._add = native.add or add
        self.far_sums: Any = None

    @property
    def names(self) -> list[str]:
        return [*self.near, *self.far]

    @property
    def place(self) -> Place:
        """Where the newest values belong."""
        return Place(self.stage, self.axis, self.step, self.epoch)

    def step_name(self, name: str) -> str:
        return f"{name}{'_step' if self.meaning.forked else ''}{self.key.suffix}"

    def epoch_name(self, name: str) -> str:
        return f"{name}{'_epoch' if self.meaning.forked else ''}{self.key.suffix}"

    def bare_name(self, name: str) -> str:
        return name + self.key.suffix

    def steps(self) -> dict[str, float]:
        """The newest values; waits for the device."""
        assert self.latest is not None
        numbers, vector = self.latest
        found = numbers if vector is None else [*numbers, *vector.tolist()]
        return dict(zip((*self.near_steps, *self.far_steps), found, strict=True))

    def add(self, numbers: list[float], weight: float) -> None:
        """Take near values into the epoch's; in a mean they weigh as much as their batch, else 1."""
        sums, reduction = self.near_sums, self.meaning.reduction
        self.weight += weight
        if not sums:
            self.near_sums = array("d", [weight * number for number in numbers])
        elif reduction in ("mean", "sum"):
            self._add(sums, numbers, weight)
        else:
            both = zip(sums, numbers, strict=True)
            self.near_sums = array("d", [reduced(reduction, sum, number) for sum, number in both])


def reduced(reduction: str, one: float, other: float) -> float:
    """Two values as one; NaN if one of them is.

    >>> reduced("max", 1.0, 2.0), reduced("min", float("nan"), 2.0)
    (2.0, nan)
    """
    if reduction in ("mean", "sum"):
        return one + other
    if one != one:
        return one
    replaces = other < one if reduction == "min" else other > one
    return other if replaces or other != other else one


def check_same(plans: Mapping[Any, Plan], new: Plan) -> None:
    """Raise if a hook logs one name in two ways.

    Raises:
        ValueError: as Lightning does.
    """
    names = set(new.names)
    for plan in plans.values():
        if plan.key == new.key and plan.meaning != new.meaning and names.intersection(plan.names):
            name = sorted(names.intersection(plan.names))[0]
            raise ValueError(
                f"`values[{name!r}]` is logged twice in `{new.key.fx}` with different arguments;"
                " use one name for each way"
            )
