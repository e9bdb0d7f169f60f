"""Commands that keep experiments going and the store in order."""

from __future__ import annotations

from pathlib import Path

import click

from etm_lightning.commands.base import (
    FILE,
    Command,
    argument,
    json_option,
    open_store,
    store_option,
)


@click.command(cls=Command)
@argument("run", "A run that did not finish.")
@argument("overrides", "Further overrides.", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--cwd", type=FILE, help="Where its script is now, if it was moved.")
@click.option("--dry-run", is_flag=True, help="Show the command, and do nothing.")
@json_option
@store_option
def resume(
    run: str,
    overrides: tuple[str, ...],
    cwd: Path | None,
    dry_run: bool,
    as_json: bool,
    store: str | None,
) -> None:
    """Run its command again, from its last checkpoint."""
    from etm_lightning.share import described

    try:
        from etm_lightning.execute.again import again
    except ModuleNotFoundError as error:
        raise ImportError(f"`etm resume` needs {error.name}: pip install 'etm-lightning[text]'") from error
    found = again(open_store(store).run(run), overrides or (), cwd)
    if as_json:
        click.echo(described.text({"command": list(found.command), "cwd": str(found.cwd)}))
    else:
        click.echo(found.shown(), err=not dry_run)
    if not dry_run:
        found.run()


@click.command(cls=Command)
@click.option("--apply", is_flag=True, help="Do it.")
@click.option("--dry-run", is_flag=True, help="Only tell what would be done.")
@click.option("--budget", default="", help="Do no more than it takes for this size, such as 20GB.")
@click.option("--no-columns", "lines", is_flag=True, help="Finished segments stay lines.")
@click.option("--cache", is_flag=True, help="Remove derived files.")
@click.option(
    "--trash-days",
    type=float,
    default=30.0,
    show_default=True,
    help="Delete runs that are in the trash so long.",
)
@click.option("--keep-trash", is_flag=True, help="Delete no run.")
@click.option(
    "--keep-checkpoints",
    type=int,
    metavar="K",
    help="Only the K best runs of a group keep their checkpoints.",
)
@click.option("--project", help="Of this project only.")
@json_option
@store_option
def gc(
    apply: bool,
    dry_run: bool,
    budget: str,
    lines: bool,
    cache: bool,
    trash_days: float,
    keep_trash: bool,
    keep_checkpoints: int | None,
    project: str | None,
    as_json: bool,
    store: str | None,
) -> None:
    """Make room; only tells what would be done without --apply."""
    from etm_lightning.share import described, tables
    from etm_lightning.share import gc as room

    if apply and dry_run:
        raise click.BadParameter("does not go with --apply", param_hint="--dry-run")
    rules = room.Rules(
        columns=not lines,
        cache=cache,
        trash_days=None if keep_trash else trash_days,
        checkpoints=keep_checkpoints,
        budget=room.parse_size(budget) if budget else None,
    )
    found = room.plan(open_store(store), rules, project=project)
    done = []
    for one in room.carry_out(found) if apply else found.told():
        done.append(one)
        if not as_json:
            tables.room(one)
    if as_json:
        click.echo(described.room(found, done, applied=apply))
    else:
        tables.room_total(found, done, rules.budget, applied=apply)


@click.command(cls=Command)
@json_option
@store_option
def doctor(
    as_json: bool,
    store: str | None,
) -> None:
    """Check packages, devices and the store."""
    from etm_lightning.share import described
    from etm_lightning.share import doctor as check

    found = check.examine(store)
    if as_json:
        click.echo(described.text(found))
    else:
        check.show(found)
    if found["store"] and found["store"]["damaged"]:
        raise click.exceptions.Exit(1)


@click.command(cls=Command)
@argument("folder", "Your project.", default=".", type=FILE)
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
@json_option
def init(
    folder: Path,
    force: bool,
    as_json: bool,
) -> None:
    """Lay `train.py` and `conf/` into your project."""
    from etm_lightning.share import described

    try:
        from etm_lightning.execute.configs import copy_to
    except ModuleNotFoundError as error:
        raise ImportError(f"`etm init` needs {error.name}: pip install 'etm-lightning[text]'") from error
    written = [str(path) for path in copy_to(folder, force)]
    click.echo(described.text({"files": written}) if as_json else "\n".join(written))
