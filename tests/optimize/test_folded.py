"""A journal with one entry for each trial is the same study to Optuna."""

from __future__ import annotations

import json
import math
import random
from collections import deque
from pathlib import Path
from typing import Any

import pytest

from etm_lightning.optimize.folded import folded
from etm_lightning.optimize.optuna_file import OptunaFile

optuna = pytest.importorskip("optuna")
KINDS = {
    "lr": optuna.distributions.FloatDistribution(1e-5, 1e-1, log=True),
    "model": optuna.distributions.CategoricalDistribution(("small", "large", None)),
    "layers": optuna.distributions.IntDistribution(2, 8, step=2),
}
STUDY: dict[str, Any] = {"op_code": 0, "study_name": "study", "directions": [1]}
RUNNING, COMPLETE, WAITING = 0, 1, 4


def text(name: str) -> str:
    return str(optuna.distributions.distribution_to_json(KINDS[name]))


def drawn(name: str, dice: random.Random) -> float:
    return {"lr": dice.uniform(1e-5, 1e-1), "model": dice.randrange(3), "layers": dice.choice([2, 4, 8])}[
        name
    ]


def moment(dice: random.Random) -> str:
    return f"2026-0{dice.randint(1, 9)}-11T08:{dice.randint(10, 59)}:00.000000+00:00"


def whole(dice: random.Random) -> dict[str, Any]:
    """A trial that is entered at once, or in part."""
    names = dice.sample(sorted(KINDS), dice.randrange(4))
    found = {
        "datetime_start": dice.choice([None, moment(dice)]),
        "datetime_complete": moment(dice),
        "state": dice.randrange(5),
        "value": dice.choice([None, 0.5]),
        "distributions": {name: text(name) for name in names},
        "params": {name: drawn(name, dice) for name in names},
        "user_attrs": {"who": "me"},
        "system_attrs": {"fixed_params": {"lr": 1e-3}},
        "intermediate_values": {"1": 0.5, "10": math.nan},
    }
    return {name: value for name, value in found.items() if name == "datetime_start" or dice.random() < 0.7}


def entry(dice: random.Random, trials: int) -> dict[str, Any]:
    """What somebody does to one of so many trials, or to the study."""
    on = {"trial_id": dice.randrange(trials)} if trials else {}
    what = dice.choice([4, *([5, 5, 6, 7, 7, 7, 8, 9] if trials else []), 2, 3])
    match what:
        case 4:
            more = whole(dice) if dice.random() < 0.3 else {"datetime_start": moment(dice)}
            if "distributions" not in more:
                more.pop("params", None)
            return {"op_code": 4, "study_id": 0, **more}
        case 5:
            name = dice.choice(sorted(KINDS))
            value = drawn(name, dice)
            place = {"param_name": name, "param_value_internal": value, "distribution": text(name)}
            return {"op_code": 5, **on, **place}
        case 6:
            state = dice.choice([RUNNING, RUNNING, COMPLETE, 2, 3, WAITING])
            times = {"datetime_start": moment(dice), "datetime_complete": moment(dice)}
            return {
                "op_code": 6,
                **on,
                "state": state,
                "values": dice.choice([None, [dice.random()]]),
                **times,
            }
        case 7:
            value = dice.choice([dice.random(), 1, math.nan, math.inf])
            return {"op_code": 7, **on, "step": dice.randrange(6), "intermediate_value": value}
        case 2 | 8:
            return {
                "op_code": what,
                **(on if what == 8 else {"study_id": 0}),
                "user_attr": {"note": dice.random()},
            }
    return {"op_code": what, **(on if what == 9 else {"study_id": 0}), "system_attr": {"at": dice.random()}}


def entries(dice: random.Random, many: int, trials: int = 0) -> list[dict[str, Any]]:
    found = []
    for _ in range(many):
        found.append(entry(dice, trials))
        trials += found[-1]["op_code"] == 4
        if dice.random() < 0.02:  # who opens a study tries to create it
            found.append(STUDY)
    return found


def write(file: Path, lines: list[dict[str, Any]]) -> None:
    with file.open("a") as out:
        out.writelines(json.dumps(line | {"worker_id": "other-1"}) + "\n" for line in lines)


def backend(file: Path) -> Any:
    return optuna.storages.journal.JournalFileBackend(str(file))


def opened(given: Any) -> Any:
    return optuna.storages.JournalStorage(given)


def told(storage: Any) -> Any:
    return [
        (study.study_name, study.directions, study.user_attrs, study.system_attrs)
        for study in storage.get_all_studies()
    ], [repr(trial) for trial in storage.get_all_trials(0)]


@pytest.mark.parametrize("seed", range(40))
def test_a_study_is_the_same_in_few_entries_and_goes_on_alike(tmp_path: Path, seed: int) -> None:
    dice, file = random.Random(seed), tmp_path / "study.log"
    lines = entries(dice, 150)
    write(file, [STUDY, *lines])
    few, end = folded(file)
    assert len(few) < len(lines) / 2
    assert end == file.stat().st_size
    read = OptunaFile(file, backend(file))
    ours, theirs = opened(read), opened(backend(file))
    assert told(ours) == told(theirs)
    trials = len(theirs.get_all_trials(0))
    write(file, entries(dice, 40, trials))
    assert told(ours) == told(theirs) == told(opened(read)) == told(ours)
    for storage in (ours, theirs):
        number = storage.create_new_trial(0)
        storage.set_trial_param(number, "lr", 0.01, KINDS["lr"])
        storage.set_trial_state_values(number, optuna.trial.TrialState.COMPLETE, [0.5])
    assert told(ours) == told(theirs) == told(opened(OptunaFile(file, backend(file))))


FLOAT = {
    "op_code": 5,
    "trial_id": 0,
    "param_name": "lr",
    "param_value_internal": 0.01,
    "distribution": text("lr"),
}
START: list[dict[str, Any]] = [STUDY, {"op_code": 4, "study_id": 0, "datetime_start": None}, FLOAT]


@pytest.mark.parametrize(
    "odd",
    [
        FLOAT | {"distribution": text("model"), "param_value_internal": 1},
        FLOAT | {"trial_id": 7},
        FLOAT | {"unit": "s"},
        {"op_code": 0, "study_name": "second", "directions": [1, 2]},
        {"op_code": 4, "study_id": 3, "datetime_start": None},
        {"op_code": 7, "trial_id": -1, "step": 1, "intermediate_value": 0.5},
        {"op_code": 10},
        {"op_code": 1, "study_id": 3},
    ],
    ids=repr,
)
def test_what_is_odd_is_left_to_optuna(tmp_path: Path, odd: dict[str, Any]) -> None:
    file = tmp_path / "study.log"
    write(file, [*START, odd, {"op_code": 7, "trial_id": 0, "step": 1, "intermediate_value": 0.5}])
    assert folded(file) == (deque(), 0)
    assert told(opened(OptunaFile(file, backend(file)))) == told(opened(backend(file)))


def test_half_a_line_is_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "study.log"
    write(file, START)
    whole = file.read_bytes()
    file.write_bytes(whole + b'{"op_code": 7, "worker_id": "other-1", ')
    ours = opened(OptunaFile(file, backend(file)))
    assert folded(file)[1] == len(whole)
    assert ours.get_trial(0).intermediate_values == {}
    with file.open("ab") as more:
        more.write(b'"trial_id": 0, "step": 1, "intermediate_value": 0.5}\n')
    assert ours.get_trial(0).params == {"lr": 0.01}
    assert [trial.intermediate_values for trial in ours.get_all_trials(0)] == [{1: 0.5}]


def test_long_journals_are_read_in_parts(tmp_path: Path) -> None:
    file = tmp_path / "study.log"
    note = {"op_code": 8, "trial_id": 0, "user_attr": {"note": "x" * 300_000}}
    write(
        file, [*START, *[note] * 9, {"op_code": 7, "trial_id": 0, "step": 1, "intermediate_value": math.nan}]
    )
    assert folded(file)[1] == file.stat().st_size
    assert told(opened(OptunaFile(file, backend(file)))) == told(opened(backend(file)))
