"""The sinks under the contract."""

from __future__ import annotations

from tests.contracts.case import Case
from tests.contracts.case_lightning import CASE as LIGHTNING
from tests.contracts.case_mlflow import CASE as MLFLOW

CASES: list[Case] = [MLFLOW, LIGHTNING]
