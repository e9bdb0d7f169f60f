"""What importing the package costs, and what it offers."""

from __future__ import annotations

import subprocess
import sys

import pytest

import etm_lightning


def loaded(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter has after `code`."""
    show = "\nimport sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code + show], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


HEAVY = {"torch", "lightning", "pytorch_lightning", "numpy", "pyarrow", "pandas", "hydra", "rich"}


@pytest.mark.parametrize(
    "code",
    [
        "import etm_lightning",
        "from etm_lightning import ETMLogger, Run, Store",
        "from etm_lightning import Run\nrun = Run()\nrun.hold()\nrun.log({'a': 1}, step=0)\nrun.muted = True",
    ],
    ids=["package", "names", "use"],
)
def test_nothing_heavy_is_imported(code: str) -> None:
    assert not loaded(code) & HEAVY


def test_the_package_itself_loads_none_of_its_modules() -> None:
    code = "import etm_lightning, sys; print(*[m for m in sys.modules if m.startswith('etm_lightning.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_every_public_name_is_there() -> None:
    for name in etm_lightning.__all__:
        assert getattr(etm_lightning, name).__name__ == name
    assert set(etm_lightning.__all__) <= set(dir(etm_lightning))


def test_a_name_that_is_not_there_is_answered_with_those_that_are() -> None:
    with pytest.raises(AttributeError, match=r"has no attribute 'Logger'; it has .*ETMLogger.*Run"):
        etm_lightning.Logger  # noqa: B018
