"""``etm study …``: what is being searched, what came out, going on and stopping."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from etm_lightning.commands.base import FILE, Commands, argument, json_option, open_store, store_option

if TYPE_CHECKING:
    from etm_lightning.optimize.folder import StudyFolder

study_argument = argument("study", "A part of a study's id that no other has, or latest.", default="latest")


@click.group(name="study", cls=Commands)
def app() -> None:
    """Look at studies, go on with them, stop them."""


@app.command()
@click.option("--project", help="Of this project only.")
@json_option
@store_option
def ls(
    project: str | None,
    as_json: bool,
    store: str | None,
) -> None:
    """List studies, newest first."""
    from etm_lightning.optimize import described as studied
    from etm_lightning.optimize.folder import studies
    from etm_lightning.share import described

    found = [studied.brief(folder) for folder in studies(open_store(store).path, project)]
    if as_json:
        click.echo(described.text(found))
    elif found:
        studied.show_all(found)
    else:
        click.echo("no studies")


@app.command()
@study_argument
@json_option
@store_option
def show(
    study: str,
    as_json: bool,
    store: str | None,
) -> None:
    """Show the space and the trials of a study."""
    from etm_lightning.optimize import described as studied
    from etm_lightning.share import described

    found = studied.whole(_find(store, study))
    if as_json:
        click.echo(described.text(found))
    else:
        studied.show_whole(found)


@app.command()
@study_argument
@json_option
@store_option
def best(
    study: str,
    as_json: bool,
    store: str | None,
) -> None:
    """Tell the best setting, and the command that runs it."""
    from etm_lightning.optimize import described as studied
    from etm_lightning.share import described

    found = studied.best(_find(store, study))
    if as_json:
        click.echo(described.text(found))
    else:
        click.echo("\n".join(f"{name}: {value}" for name, value in found.items() if value != ""))


@app.command()
@study_argument
@click.option(
    "--kind",
    default="history",
    show_default=True,
    help="history, importance, slice, parallel, contour, curves or pareto.",
)
@click.option("-o", "--output", type=FILE, help="The file: .html, .png, .svg or .pdf.")
@click.option(
    "--evaluator",
    default="ped-anova",
    show_default=True,
    help="What tells the importance: ped-anova, fanova or mdi.",
)
@json_option
@store_option
def plot(
    study: str,
    kind: str,
    output: Path | None,
    evaluator: str,
    as_json: bool,
    store: str | None,
) -> None:
    """Draw a study: how it went, what mattered, what went well together."""
    from etm_lightning.optimize import plots
    from etm_lightning.share import described

    found = _find(store, study)
    file = plots.plot(found, kind, output or found.path / "plots" / f"{kind}.html", evaluator)
    told: dict[str, Any] = {"study": found.id, "kind": kind, "file": str(file)}
    if kind == "importance":
        told["importance"] = plots.importance(found, evaluator)
    if as_json:
        click.echo(described.text(told))
        return
    for name, share in told.get("importance", {}).items():
        click.echo(f"{share:6.1%}  {name}")
    click.echo(f"{kind} of study {found.id}: {file}")


@app.command()
@study_argument
@click.option("--dry-run", is_flag=True, help="Show the command, and do nothing.")
@json_option
@store_option
def resume(
    study: str,
    dry_run: bool,
    as_json: bool,
    store: str | None,
) -> None:
    """Run its command again, which goes on where it stopped."""
    from etm_lightning.optimize.again import again
    from etm_lightning.share import described

    found = again(_find(store, study))
    if as_json:
        click.echo(described.text({"command": list(found.command), "cwd": str(found.cwd)}))
    else:
        click.echo(found.shown(), err=not dry_run)
    if not dry_run:
        found.run()


@app.command()
@study_argument
@click.option("--now", is_flag=True, help="End the running trials instead of waiting for them.")
@json_option
@store_option
def stop(
    study: str,
    now: bool,
    as_json: bool,
    store: str | None,
) -> None:
    """Stop a study that runs, here or on another machine; it can be gone on with."""
    from etm_lightning.share import described
    from etm_lightning.track.shipping.cursors import replace

    found = _find(store, study)
    if not found.controlled():
        raise ValueError(f"study {found.id} does not run: nothing to stop")
    replace(found.stop_file, b"now" if now else b"soon")
    told: dict[str, Any] = {"study": found.id, "stop": "now" if now else "soon"}
    how = "ends its running trials" if now else "waits for its running trials"
    click.echo(described.text(told) if as_json else f"study {found.id} {how} and stops")


def _find(store: str | None, study: str) -> StudyFolder:
    from etm_lightning.optimize.folder import find

    return find(open_store(store).path, study)
