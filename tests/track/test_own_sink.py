"""The sink of one's own in docs/sinks.md does what the page says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from etm_lightning import Run
from etm_lightning.layout import RunFolder
from etm_lightning.track.shipping.cursors import progress_file
from etm_lightning.track.shipping.delivery import Delivery
from etm_lightning.track.sinks.sink import Open

PAGE = Path(__file__).parents[2] / "docs" / "sinks.md"
SINK, USE = re.findall(r"```python\n(.*?)```", PAGE.read_text().split("## One of your own")[1], re.DOTALL)[:2]
KEPT = "0,loss,1.0\n1,loss,0.5\n2,loss,0.3333333333333333\n"


def test_the_example_gets_every_value(tmp_path: Path) -> None:
    (tmp_path / "my_sink.py").write_text(SINK)
    (tmp_path / "train.py").write_text(USE)
    subprocess.run([sys.executable, "train.py"], cwd=tmp_path, check=True, timeout=60)
    assert (tmp_path / "values.csv").read_text() == KEPT


def test_what_the_example_wrote_after_its_place_was_stored_comes_once(tmp_path: Path) -> None:
    run = Run("p", save_dir=tmp_path / "store", shipper=False)
    values = tmp_path / "values.csv"
    run.log({"loss": 1.0}, step=0)
    deliver(run.folder, values)
    place = progress_file(run.folder, "mine")
    before = place.read_bytes()
    run.log({"loss": 0.5}, step=1)
    deliver(run.folder, values)
    place.write_bytes(before)  # as after a kill before the place was stored
    run.log({"loss": 1 / 3}, step=2)
    run.end()
    deliver(run.folder, values)
    assert values.read_text() == KEPT


def deliver(folder: RunFolder, values: Path) -> None:
    found: dict[str, Open] = {}
    exec(SINK, found)
    delivery = Delivery(folder, "mine", {"sink": "my_sink.CSV", "path": str(values)}, make=found["CSV"])
    delivery.advance()
    delivery.close()
    assert not delivery.error, delivery.error
