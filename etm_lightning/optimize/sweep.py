"""Where Hydra tells us that a multirun is over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig


class AfterSweep(Callback):
    """Hydra makes one at every start, so it loads what it needs when a multirun has ended."""

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        if config.search.dry_run:
            return
        from etm_lightning.optimize.folder import StudyFolder
        from etm_lightning.optimize.results import finish, winning_run
        from etm_lightning.store.store import Store

        folder = Path(config.hydra.sweep.dir)
        group, chosen = config.group or folder.name, winning_run(StudyFolder(folder))
        store = Store(config.paths.store)
        board = finish(store, config.project, group, folder, tested=config.test, winner=chosen)
        best = chosen or (board.winner.best.id if board.winner else "")
        if config.search.explain and (folder / "study.json").exists():
            from etm_lightning.execute.progress import say
            from etm_lightning.optimize.explained import explanation

            say("\n".join(explanation(StudyFolder(folder), store.run(best) if best else None)))
