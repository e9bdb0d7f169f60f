"""One HTML file that is the dashboard with some runs in it: it opens from the disk and asks for nothing."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from etm_lightning.share.report import write_whole
from etm_lightning.store.run import StoredRun
from etm_lightning.store.store import Store
from etm_lightning.web.built import HOW, built, static_folder
from etm_lightning.web.curves import MOST_POINTS
from etm_lightning.web.embedded import gather
from etm_lightning.web.plain import as_data
from etm_lightning.web.stores import Stores

_SCRIPT = re.compile(r'<script\b[^>]*\bsrc="\./([\w.-]+)"[^>]*></script>')
_STYLE = re.compile(r'<link\b[^>]*\brel="stylesheet"[^>]*\bhref="\./([\w.-]+)"[^>]*>')


MOST_EXPORTED = 1_000


class Export(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which runs, under which heading, and how many points of each series at most."""

    keys: list[str]
    title: str = ""
    points: int = 1000

    def check(self) -> None:
        """Raise ValueError if it makes no sense."""
        if not 1 <= len(self.keys) <= MOST_EXPORTED:
            raise ValueError(f"`keys` must be 1 to {MOST_EXPORTED} runs but got {len(self.keys)}")
        if not 10 <= self.points <= MOST_POINTS:
            raise ValueError(f"`points` must be in [10, {MOST_POINTS}] but got {self.points}")


class UnbuiltError(RuntimeError):
    """There is no built page to put runs into."""


def write_page(
    stores: Stores, keys: Sequence[str], path: Path, *, title: str = "", points: int = 1000
) -> Path:
    """Write the page of some runs to `path`, whole or not at all, and return where it is.

    Args:
        stores: where they are.
        keys: the runs, in the order in which they are shown.
        path: the file; its folder is made if missing.
        title: the heading; by default the group's or run's name.
        points: of each series at most.

    Raises:
        UnbuiltError: if the front end is not built.
        OSError: if the file cannot be written.
    """
    return write_whole(export(stores, keys, title=title, points=points), path)


def write_selection(store: Store, runs: Sequence[StoredRun], path: Path, *, title: str = "") -> Path:
    """The same for runs of one store."""
    stores = Stores([store])
    keys = [stores.key(run) for run in runs]
    return write_page(stores, keys, path, title=title)


def export(
    stores: Stores, keys: Sequence[str], *, title: str = "", points: int = 1000, static: Path | None = None
) -> str:
    """The page of some runs; arguments as those of `write_page`."""
    root = static or static_folder()
    if not built(root):
        raise UnbuiltError(f"the front end is not built. In a clone: {HOW}")
    return render(gather(stores, keys, title=title, points=points), root)


def render(data: dict[str, Any], root: Path) -> str:
    """The built page with its script, its style and `data` in it.

    It may run only its own script and style, by their hashes: no text of a run can become either.
    """
    page = (root / "index.html").read_text(encoding="utf-8")
    scripts = [_script((root / name).read_text(encoding="utf-8")) for name in _SCRIPT.findall(page)]
    styles = [_style((root / name).read_text(encoding="utf-8")) for name in _STYLE.findall(page)]
    page = _STYLE.sub("", _SCRIPT.sub("", page))
    page = re.sub(r"<title>.*?</title>", "", page, flags=re.DOTALL)
    head = [
        f'<meta http-equiv="content-security-policy" content="{html.escape(policy(scripts, styles))}">',
        f"<title>{html.escape(data['title'])}</title>",
        *(f"<style>{style}</style>" for style in styles),
    ]
    tail = [
        f'<script type="application/json" id="etm-data">{as_data(data)}</script>',
        *(f'<script type="module">{script}</script>' for script in scripts),
    ]
    before, mark, rest = page.partition('<meta charset="utf-8" />')
    if not mark or "</body>" not in rest or not scripts:
        raise UnbuiltError(f"the front end is built in a way that cannot be exported. In a clone: {HOW}")
    body, close, end = rest.rpartition("</body>")
    return "".join([before, mark, *head, body, *tail, close, end])


def policy(scripts: Sequence[str], styles: Sequence[str]) -> str:
    """What the page may do."""
    return (
        f"default-src 'none'; script-src {_hashes(scripts)}; style-src {_hashes(styles)}; "
        "img-src data: blob:; media-src data: blob:; frame-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def _hashes(texts: Sequence[str]) -> str:
    found = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts]
    return " ".join(f"'sha256-{one}'" for one in found) or "'none'"


def _script(text: str) -> str:
    """A script that does not end the element that it is in."""
    return re.sub(r"<(?=/script|!--)", r"\\x3c", text, flags=re.IGNORECASE)


def _style(text: str) -> str:
    return re.sub(r"</(?=style)", r"<\\/", text, flags=re.IGNORECASE)
