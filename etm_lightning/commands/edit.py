"""Commands that change what people say about runs."""

from __future__ import annotations

from typing import Any

import click

from etm_lightning.commands.base import (
    Command,
    argument,
    json_option,
    open_store,
    store_option,
)


@click.command(cls=Command)
@argument("run", "A run.")
@argument("tags", "The tags.", nargs=-1, required=True, metavar="TAG...")
@click.option("--remove", is_flag=True, help="Take them away instead.")
@json_option
@store_option
def tag(
    run: str,
    tags: tuple[str, ...],
    remove: bool,
    as_json: bool,
    store: str | None,
) -> None:
    """Tag a run."""
    from etm_lightning.store import edits

    found = open_store(store).run(run)
    (edits.untag if remove else edits.tag)(found.folder, *tags)
    _edited([found], as_json)


@click.command(cls=Command)
@argument("run", "A run.")
@argument("text", "The text; replaces what was noted before.")
@json_option
@store_option
def note(
    run: str,
    text: str,
    as_json: bool,
    store: str | None,
) -> None:
    """Write the notes of a run."""
    from etm_lightning.store import edits

    found = open_store(store).run(run)
    edits.note(found.folder, text)
    _edited([found], as_json)


@click.command(cls=Command)
@argument("run", "A run.")
@argument("name", "Its name from now on; the id stays.")
@json_option
@store_option
def rename(
    run: str,
    name: str,
    as_json: bool,
    store: str | None,
) -> None:
    """Give a run another name."""
    from etm_lightning.store import edits

    found = open_store(store).run(run)
    edits.rename(found.folder, name)
    _edited([found], as_json)


@click.command(cls=Command)
@argument("name", "The group; '' for none.")
@argument("runs", "Runs.", nargs=-1, required=True, metavar="RUN...")
@json_option
@store_option
def group(
    name: str,
    runs: tuple[str, ...],
    as_json: bool,
    store: str | None,
) -> None:
    """Put runs in a group."""
    from etm_lightning.store import edits

    opened = open_store(store)
    found = [opened.run(run) for run in runs]
    for run in found:
        edits.group(run.folder, name)
    _edited(found, as_json)


@click.command(cls=Command)
@argument("runs", "Runs.", nargs=-1, required=True, metavar="RUN...")
@click.option("--undo", is_flag=True, help="Take them back into ordinary lists.")
@json_option
@store_option
def archive(
    runs: tuple[str, ...],
    undo: bool,
    as_json: bool,
    store: str | None,
) -> None:
    """Leave runs out of ordinary lists."""
    from etm_lightning.store import edits

    opened = open_store(store)
    found = [opened.run(run) for run in runs]
    for run in found:
        edits.archive(run.folder, undo=undo)
    _edited(found, as_json)


@click.command(cls=Command)
@argument("runs", "Runs.", nargs=-1, required=True, metavar="RUN...")
@click.option("--restore", is_flag=True, help="Take them out of the trash instead.")
@click.option("--forever", is_flag=True, help="Delete them; only from the trash.")
@json_option
@store_option
def rm(
    runs: tuple[str, ...],
    restore: bool,
    forever: bool,
    as_json: bool,
    store: str | None,
) -> None:
    """Put runs in the trash, or delete what is there."""
    from etm_lightning.store import edits

    if restore and forever:
        raise click.BadParameter("is one or the other: --restore, --forever", param_hint="--forever")
    opened = open_store(store)
    found = [opened.run(run) for run in runs]
    if forever:
        _deleted(found, as_json)
        return
    for run in found:
        (edits.restore if restore else edits.trash)(run.folder)
    _edited(found, as_json)


def _deleted(runs: list[Any], as_json: bool) -> None:
    from etm_lightning.share import described
    from etm_lightning.store import edits

    for run in runs:
        edits.delete(run.folder, trashed=run.trashed, running=run.status == "running")
        if not as_json:
            click.echo(f"{run.id} is deleted")
    if as_json:
        click.echo(described.text([{"id": run.id, "deleted": True} for run in runs]))


def _edited(runs: list[Any], as_json: bool) -> None:
    from etm_lightning.share import described

    for run in runs:
        run.refresh()
    if as_json:
        click.echo(described.text([described.edited(run) for run in runs]))
        return
    for run in runs:
        click.echo(described.edited_line(run))
