"""Named views: an address of the page, kept in the store, so that every browser and every person has them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from pathlib import Path

import msgspec

from etm_lightning.web.stores import Stores

FOLDER = ".views"
LONGEST = 200_000
MOST = 1_000


class View(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A page with all that its address holds, which begins with ``#/``; without one it is to be forgotten."""

    name: str
    address: str = ""

    def check(self) -> None:
        """Raise ValueError if it cannot be kept."""
        if not 0 < len(self.name.strip()) <= 100:
            raise ValueError(f"`name` must have 1 to 100 letters but got {self.name[:40]!r}")
        if self.address and not self.address.startswith("#/"):
            raise ValueError(f"`address` must be of a page here, '#/…', but got {self.address[:40]!r}")
        if len(self.address) > LONGEST:
            raise ValueError(f"`address` may have {LONGEST} letters but has {len(self.address)}")


def views(stores: Stores) -> list[View]:
    """The views that can be read, by name."""
    found = []
    for path in sorted(_folder(stores).glob("*.json"))[:MOST]:
        with contextlib.suppress(OSError, ValueError):
            one = msgspec.json.decode(path.read_bytes(), type=View)
            one.check()
            found.append(one)
    return sorted(found, key=lambda one: one.name.casefold())


def keep(stores: Stores, view: View) -> list[View]:
    """Keep a view in the place of one of its name, or forget that; tell what there is then.

    Raises:
        ValueError: if it cannot be.
        OSError: if the store cannot be written.
    """
    view.check()
    folder = _folder(stores)
    path = folder / f"{hashlib.sha256(view.name.encode(errors='surrogatepass')).hexdigest()[:16]}.json"
    if not view.address:
        path.unlink(missing_ok=True)
        return views(stores)
    folder.mkdir(exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        temporary.write_bytes(msgspec.json.encode(view))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return views(stores)


def _folder(stores: Stores) -> Path:
    return stores.places[0].store.path / FOLDER
