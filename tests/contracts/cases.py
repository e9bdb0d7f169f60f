"""The sinks under the contract."""

from __future__ import annotations

from tests.contracts import memory
from tests.contracts.case import Case

CASES: list[Case] = [Case(memory.SPEC, memory.kept)]
