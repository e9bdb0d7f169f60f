"""`etm study resume`: the recorded command again, in the folder of its study."""

from __future__ import annotations

from pathlib import Path

from etm_lightning.execute.again import Again
from etm_lightning.optimize.folder import StudyFolder
from etm_lightning.track.redact import HIDDEN


def again(folder: StudyFolder) -> Again:
    """The command that goes on with a study.

    Raises:
        ValueError: if it runs, if it is over, if its script is gone, or if its command held a secret.
    """
    about = folder.about()
    if folder.controlled():
        raise ValueError(f"study {folder.id} runs already")
    if over := folder.history().over:
        raise ValueError(
            f"study {folder.id} is over ({over}): nothing to go on with. For more trials give the command "
            f"again with a greater search.n_trials and hydra.sweep.dir={folder.path}"
        )
    python, script, *rest = about.command
    hidden = [word.partition("=")[0] for word in rest if HIDDEN in word]
    if hidden:
        raise ValueError(
            f"study {folder.id}: secrets are not recorded; type the command again, with {', '.join(hidden)}"
        )
    if not Path(about.cwd, script).is_file():
        raise ValueError(f"study {folder.id}: its script {script!r} is not in {about.cwd!r} any more")
    place = f"hydra.sweep.dir='{folder.path}'"
    words = [word for word in rest if not word.startswith("hydra.sweep.dir=")]
    store = folder.path.parents[2]
    return Again((python, script, *words, place), Path(about.cwd), store, None)
