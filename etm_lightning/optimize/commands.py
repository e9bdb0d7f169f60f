"""``etm study …``: what is being searched, what came out, going on and stopping."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from etm_lightning.share.options import Json, Place, open_store

if TYPE_CHECKING:
    from etm_lightning.optimize.folder import StudyFolder

app = typer.Typer(no_args_is_help=True, help="Look at studies, go on with them, stop them.")
Study = Annotated[str, typer.Argument(help="A part of a study's id that no other has, or latest.")]


@app.command()
def ls(
    project: Annotated[str | None, typer.Option(help="Of this project only.")] = None,
    as_json: Json = False,
    store: Place = None,
) -> None:
    """List studies, newest first."""
    from etm_lightning.optimize import described as studied
    from etm_lightning.optimize.folder import studies
    from etm_lightning.share import described

    found = [studied.brief(folder) for folder in studies(open_store(store).path, project)]
    if as_json:
        typer.echo(described.text(found))
    elif found:
        studied.show_all(found)
    else:
        typer.echo("no studies")


@app.command()
def show(study: Study = "latest", as_json: Json = False, store: Place = None) -> None:
    """Show the space and the trials of a study."""
    from etm_lightning.optimize import described as studied
    from etm_lightning.share import described

    found = studied.whole(_find(store, study))
    if as_json:
        typer.echo(described.text(found))
    else:
        studied.show_whole(found)


@app.command()
def best(study: Study = "latest", as_json: Json = False, store: Place = None) -> None:
    """Tell the best setting, and the command that runs it."""
    from etm_lightning.optimize import described as studied
    from etm_lightning.share import described

    found = studied.best(_find(store, study))
    if as_json:
        typer.echo(described.text(found))
    else:
        typer.echo("\n".join(f"{name}: {value}" for name, value in found.items() if value != ""))


@app.command()
def plot(
    study: Study = "latest",
    kind: Annotated[
        str, typer.Option(help="history, importance, slice, parallel, contour, curves or pareto.")
    ] = "history",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The file: .html, .png, .svg or .pdf.")
    ] = None,
    evaluator: Annotated[
        str, typer.Option(help="What tells the importance: ped-anova, fanova or mdi.")
    ] = "ped-anova",
    as_json: Json = False,
    store: Place = None,
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
        typer.echo(described.text(told))
        return
    for name, share in told.get("importance", {}).items():
        typer.echo(f"{share:6.1%}  {name}")
    typer.echo(f"{kind} of study {found.id}: {file}")


@app.command()
def resume(
    study: Study = "latest",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the command, and do nothing.")] = False,
    as_json: Json = False,
    store: Place = None,
) -> None:
    """Run its command again, which goes on where it stopped."""
    from etm_lightning.optimize.again import again
    from etm_lightning.share import described

    found = again(_find(store, study))
    if as_json:
        typer.echo(described.text({"command": list(found.command), "cwd": str(found.cwd)}))
    else:
        typer.echo(found.shown(), err=not dry_run)
    if not dry_run:
        found.run()


@app.command()
def stop(
    study: Study = "latest",
    now: Annotated[
        bool, typer.Option("--now", help="End the running trials instead of waiting for them.")
    ] = False,
    as_json: Json = False,
    store: Place = None,
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
    typer.echo(described.text(told) if as_json else f"study {found.id} {how} and stops")


def _find(store: str | None, study: str) -> StudyFolder:
    from etm_lightning.optimize.folder import find

    return find(open_store(store).path, study)
