"""The sinks under the contract."""

from __future__ import annotations

from tests.contracts import case_wandb, memory
from tests.contracts.case import Case
from tests.contracts.case_lightning import CASE as LIGHTNING
from tests.contracts.case_mlflow import CASE as MLFLOW
from tests.contracts.case_tensorboard import TENSORBOARD

CASES: list[Case] = [Case(memory.SPEC, memory.kept), TENSORBOARD, case_wandb.CASE, MLFLOW, LIGHTNING]
