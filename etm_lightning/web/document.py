"""The built page as one document: its script and its style stand within it.

So it opens from the disk, and a server's page is there after one answer. It may run only these two, by their
hashes: no text of a run can become either.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etm_lightning.web.plain import as_data

_SCRIPT = re.compile(r'<script\b([^>]*)\bsrc="\./([\w.-]+)"[^>]*></script>')
_STYLE = re.compile(r'<link\b[^>]*\brel="stylesheet"[^>]*\bhref="\./([\w.-]+)"[^>]*>')
_TITLE = re.compile(r"<title>.*?</title>", re.DOTALL)
_CHARSET = '<meta charset="utf-8" />'
_MODULE = ' type="module" blocking="render"'


@dataclass(frozen=True)
class Document:
    """What was built, in its parts; of scripts also their type."""

    before: str
    after: str
    scripts: Sequence[tuple[str, str]]
    styles: Sequence[str]

    @classmethod
    def read(cls, root: Path) -> Document:
        """The page that was built in a folder.

        Raises:
            ValueError: if it is not built as this can take it apart.
        """
        page = (root / "index.html").read_text(encoding="utf-8")
        scripts = [
            ("module" if "module" in kind else "", _script((root / name).read_text(encoding="utf-8")))
            for kind, name in _SCRIPT.findall(page)
        ]
        styles = [_style((root / name).read_text(encoding="utf-8")) for name in _STYLE.findall(page)]
        before, mark, rest = _TITLE.sub("", _STYLE.sub("", _SCRIPT.sub("", page))).partition(_CHARSET)
        if not mark or not scripts:
            raise ValueError(f"`root` must have a page as the build leaves it but {str(root)!r} has another")
        return cls(before + mark, rest, scripts, styles)

    def filled(self, title: str, data: Mapping[str, Any], policy: str = "") -> str:
        """The page.

        Args:
            title: its title.
            data: what it knows from the beginning, each by the id of its element.
            policy: what it may do, where no server says it.
        """
        head = [
            f'<meta http-equiv="content-security-policy" content="{html.escape(policy)}">' if policy else "",
            f"<title>{html.escape(title)}</title>",
            *(_element(as_data(one), f' type="application/json" id="{id}"') for id, one in data.items()),
            *(_element(script) for kind, script in self.scripts if not kind),
            *(f"<style>{style}</style>" for style in self.styles),
            # it runs when all is read; until then there is nothing to show, which would take its time
            *(_element(script, _MODULE) for kind, script in self.scripts if kind),
        ]
        return "".join([self.before, *head, self.after])

    @property
    def sources(self) -> str:
        """The part of a policy that lets its script and its style run, and nothing else."""
        return (
            f"script-src {_hashes([script for _, script in self.scripts])}; style-src {_hashes(self.styles)}"
        )


def _element(script: str, attributes: str = "") -> str:
    return f"<script{attributes}>{script}</script>"


def _hashes(texts: Sequence[str]) -> str:
    found = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts]
    return " ".join(f"'sha256-{one}'" for one in found) or "'none'"


def _script(text: str) -> str:
    """A script that does not end the element that it is in."""
    return re.sub(r"<(?=/script|!--)", r"\\x3c", text, flags=re.IGNORECASE)


def _style(text: str) -> str:
    return re.sub(r"</(?=style)", r"<\\/", text, flags=re.IGNORECASE)
