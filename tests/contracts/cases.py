"""The sinks under the contract."""

from __future__ import annotations

from tests.contracts import case_wandb
from tests.contracts.case import Case

CASES: list[Case] = [case_wandb.CASE]
