"""The python that imports nothing anew does what a cold one does."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests import warm

END = """
    import atexit, sys, threading, time

    class Held:
        def __del__(self):
            print("what the program held")

    class Round:
        def __init__(self):
            self.held, self.self = Held(), self

    def late():
        time.sleep(0.2)
        print("a thread")

    held, round = Held(), Round()
    atexit.register(print, "registered first")
    atexit.register(print, "registered last")
    threading.Thread(target=late).start()
    threading.Thread(target=time.sleep, args=[1000], daemon=True).start()
    print("words to", file=sys.stderr, end="")
    print("the program")
"""


@pytest.mark.parametrize(
    "end",
    ["", "sys.exit()", "sys.exit(3)", "sys.exit(-1)", "sys.exit('in words')", "raise ValueError('one')"],
)
def test_it_ends_as_an_interpreter_does(end: str, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(textwrap.dedent(END) + end)
    cold, warmed = (
        subprocess.run(
            [python, "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False
        )
        for python in (sys.executable, warm.python())
    )
    assert warmed.stdout == cold.stdout
    assert warmed.stdout.splitlines() == [
        *("the program", "a thread", "registered last", "registered first"),
        *("what the program held", "what the program held"),
    ]
    assert (warmed.returncode, warmed.stderr) == (cold.returncode, cold.stderr)


def test_its_streams_may_be_configured() -> None:
    code = "import sys; [s.reconfigure(errors='replace') for s in (sys.stdout, sys.stderr)]; print('ä')"
    done = subprocess.run([warm.python(), "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("ä\n", "")
