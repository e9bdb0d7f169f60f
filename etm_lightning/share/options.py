"""What the commands of `etm` have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from etm_lightning.store.store import Store

Json = Annotated[bool, typer.Option("--json", help="JSON on stdout, for programs.")]
Place = Annotated[
    str | None,
    typer.Option("--store", metavar="PATH", help="The store; else ETM_STORE or the nearest etm_runs."),
]


def open_store(path: str | None) -> Store:
    """The store that a command reads, told on stderr."""
    from etm_lightning.store.store import Store

    store = Store(path)
    typer.echo(f"store: {store.path}", err=True)
    return store
