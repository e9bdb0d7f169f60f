"""Importing the package costs nothing, and a wrong name says which are right."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import etm_lightning


def test_the_public_names_load_no_heavy_library(tmp_path: Path) -> None:
    code = """
import sys
heavy = ("torch", "lightning", "pytorch_lightning", "lightning_fabric", "pandas", "pyarrow", "numpy")
def check(after):
    assert not [name for name in heavy if name in sys.modules], after
import etm_lightning
assert not [name for name in sys.modules if name.startswith("etm_lightning.")]
check("the package")
from etm_lightning import ETMLogger, Run, Store
check("the names")
assert ETMLogger("p", "nowhere").name == "p"
check("a logger")
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, cwd=tmp_path, timeout=60)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_name_says_which_names_there_are() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Runn'; it has ETMCallback, ETMLogger, Monitor"):
        _ = etm_lightning.Runn
