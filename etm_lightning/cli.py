"""``etm``: what is in the store, which settings did best, and who else should know."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from etm_lightning.optimize import commands
from etm_lightning.share.options import Json, Place, open_store

LISTED = 50


class Commands(TyperGroup):
    """Commands whose mistakes in what was asked for are one line and exit code 1."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise
        except (LookupError, ValueError, OSError, ImportError) as error:
            typer.echo(f"etm: {_message(error)}", err=True)
            raise typer.Exit(1) from error


def _message(error: Exception) -> str:
    where = getattr(error, "filename", None)
    return f"{where}: {error.strerror}" if where and isinstance(error, OSError) else str(error)


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Experiment tracking and management. `RUN` may be a part of an id, or `latest`.",
)

app.add_typer(commands.app, name="study")

Target = Annotated[str, typer.Argument(help="A run, group or project; by default the newest run's group.")]


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without the letters still gets the table
    app(prog_name="etm")


@app.command()
def ls(
    query: Annotated[
        str, typer.Argument(help="Only runs that fit, such as 'lr > 1e-4 and val/f1 > 0.9'.")
    ] = "",
    project: Annotated[str | None, typer.Option(help="Of this project only.")] = None,
    status: Annotated[str | None, typer.Option(help="With this status only, such as finished.")] = None,
    group: Annotated[str | None, typer.Option(help="Of this group only.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="With this tag; may be repeated.")] = None,
    sort: Annotated[
        str, typer.Option(help="By this column, param or metric; -NAME: largest first.")
    ] = "-created",
    columns: Annotated[str, typer.Option(help="Columns, params and metrics to show, with commas.")] = "",
    every: Annotated[bool, typer.Option("--all", help="More than 50, and archived ones too.")] = False,
    trash: Annotated[bool, typer.Option("--trash", help="The runs in the trash instead.")] = False,
    as_json: Json = False,
    store: Place = None,
) -> None:
    """List runs, newest first."""
    from etm_lightning.share import described, tables

    _known(status)
    opened = open_store(store)
    found = opened.catalogue.rows(
        query,
        project=project,
        group=group,
        status=status,
        tags=tag or (),
        archived=every,
        trashed=trash,
        sort=sort,
        limit=None if every else LISTED + 1,
    )
    shown = found if every else found[:LISTED]
    names = opened.catalogue.fields(columns.split(",")) if columns else ()
    if as_json:
        describe = (lambda row: described.chosen(row, names)) if names else described.brief
        typer.echo(described.text([describe(row) for row in shown]))
    elif shown:
        tables.runs(shown, names)
    else:
        typer.echo("no runs" + (" fit" if query else ""))
    if len(shown) < len(found):
        typer.echo(f"the first {LISTED}; --all shows all", err=True)


def _known(status: str | None) -> None:
    from etm_lightning.records import STATUSES

    if status is not None and status not in STATUSES:
        raise typer.BadParameter(f"must be one of {', '.join(STATUSES)}", param_hint="--status")


@app.command()
def show(
    run: Annotated[str, typer.Argument(help="A run.")] = "latest", as_json: Json = False, store: Place = None
) -> None:
    """Show all about a run."""
    from etm_lightning.share import described, tables

    found = open_store(store).run(run)
    if as_json:
        typer.echo(described.text(described.whole(found)))
    else:
        tables.run(found)


@app.command()
def leaderboard(
    target: Target = "",
    metric: Annotated[str, typer.Option(help="Rank by this metric at the best checkpoint.")] = "",
    mode: Annotated[str, typer.Option(help="min or max; by default as recorded.")] = "",
    as_json: Json = False,
    store: Place = None,
) -> None:
    """Rank settings, mean ± sd over seeds."""
    from etm_lightning.design.config import nearest
    from etm_lightning.evaluate.leaderboard import leaderboard as rank
    from etm_lightning.share import described, tables
    from etm_lightning.store.selection import field

    if mode not in ("", "min", "max"):
        raise typer.BadParameter("must be min or max", param_hint="--mode")
    chosen = field(open_store(store), target)
    known = sorted({name for run in chosen.runs for name in run.stages})
    if metric and metric not in known:
        cure = nearest(metric, known) or f"; they have {', '.join(known[:20]) or 'none'}"
        raise ValueError(f"`metric` must be a metric of these runs but got {metric!r}{cure}")
    found = rank(chosen.runs, metric=metric, mode=mode)
    title = f"{chosen.kind} {chosen.title}"
    if as_json:
        typer.echo(described.text(described.board(title, found)))
    else:
        tables.leaderboard(title, found)


@app.command()
def tag(
    run: Annotated[str, typer.Argument(help="A run.")],
    tags: Annotated[list[str], typer.Argument(metavar="TAG...", help="The tags.")],
    remove: Annotated[bool, typer.Option("--remove", help="Take them away instead.")] = False,
    as_json: Json = False,
    store: Place = None,
) -> None:
    """Tag a run."""
    from etm_lightning.store import edits

    found = open_store(store).run(run)
    (edits.untag if remove else edits.tag)(found.folder, *tags)
    _edited([found], as_json)


@app.command()
def note(
    run: Annotated[str, typer.Argument(help="A run.")],
    text: Annotated[str, typer.Argument(help="The text; replaces what was noted before.")],
    as_json: Json = False,
    store: Place = None,
) -> None:
    """Write the notes of a run."""
    from etm_lightning.store import edits

    found = open_store(store).run(run)
    edits.note(found.folder, text)
    _edited([found], as_json)


@app.command()
def rename(
    run: Annotated[str, typer.Argument(help="A run.")],
    name: Annotated[str, typer.Argument(help="Its name from now on; the id stays.")],
    as_json: Json = False,
    store: Place = None,
) -> None:
    """Give a run another name."""
    from etm_lightning.store import edits

    found = open_store(store).run(run)
    edits.rename(found.folder, name)
    _edited([found], as_json)


@app.command()
def group(
    name: Annotated[str, typer.Argument(help="The group; '' for none.")],
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Runs.")],
    as_json: Json = False,
    store: Place = None,
) -> None:
    """Put runs in a group."""
    from etm_lightning.store import edits

    opened = open_store(store)
    found = [opened.run(run) for run in runs]
    for run in found:
        edits.group(run.folder, name)
    _edited(found, as_json)


@app.command()
def archive(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Runs.")],
    undo: Annotated[bool, typer.Option("--undo", help="Take them back into ordinary lists.")] = False,
    as_json: Json = False,
    store: Place = None,
) -> None:
    """Leave runs out of ordinary lists."""
    from etm_lightning.store import edits

    opened = open_store(store)
    found = [opened.run(run) for run in runs]
    for run in found:
        edits.archive(run.folder, undo=undo)
    _edited(found, as_json)


@app.command()
def rm(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Runs.")],
    restore: Annotated[bool, typer.Option("--restore", help="Take them out of the trash instead.")] = False,
    forever: Annotated[bool, typer.Option("--forever", help="Delete them; only from the trash.")] = False,
    as_json: Json = False,
    store: Place = None,
) -> None:
    """Put runs in the trash, or delete what is there."""
    from etm_lightning.store import edits

    if restore and forever:
        raise typer.BadParameter("is one or the other: --restore, --forever", param_hint="--forever")
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
            typer.echo(f"{run.id} is deleted")
    if as_json:
        typer.echo(described.text([{"id": run.id, "deleted": True} for run in runs]))


def _edited(runs: list[Any], as_json: bool) -> None:
    from etm_lightning.share import described

    for run in runs:
        run.refresh()
    if as_json:
        typer.echo(described.text([described.edited(run) for run in runs]))
        return
    for run in runs:
        typer.echo(described.edited_line(run))


@app.command()
def compare(
    targets: Annotated[list[str], typer.Argument(metavar="RUN...", help="Runs, or groups of runs.")],
    baseline: Annotated[str, typer.Option(help="Compare with this run; by default the first.")] = "",
    method: Annotated[str, typer.Option(help="t or bootstrap.")] = "t",
    only: Annotated[bool, typer.Option("--only", help="Without their replicates in the store.")] = False,
    every: Annotated[bool, typer.Option("--all", help="Also what is the same in all.")] = False,
    as_json: Json = False,
    store: Place = None,
) -> None:
    """Compare runs: settings, code, values, with statistics over seeds."""
    from etm_lightning.evaluate.comparison import METHODS
    from etm_lightning.evaluate.comparison import compare as side_by_side
    from etm_lightning.share import compared, described
    from etm_lightning.store.selection import several

    if method not in METHODS:
        raise typer.BadParameter(f"must be one of {', '.join(METHODS)}", param_hint="--method")
    opened = open_store(store)
    runs = several(opened, [*targets, *([baseline] if baseline else [])])
    first = opened.run(baseline).folder if baseline else runs[0].folder
    chosen = next(run for run in runs if run.folder == first)
    pool = (
        () if only else [run for name in {run.project for run in runs} for run in opened.runs(project=name)]
    )
    found = side_by_side(runs, baseline=chosen, pool=pool, method=method)  # type: ignore[arg-type]  # checked above
    if as_json:
        typer.echo(described.text(compared.data(found)))
    else:
        compared.tables(found, every=every)


@app.command()
def watch(
    query: Annotated[str, typer.Argument(help="Only runs that fit.")] = "",
    metric: Annotated[list[str] | None, typer.Option(help="Show this metric; may be repeated.")] = None,
    every: Annotated[float, typer.Option(help="Look again after so many seconds.")] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Show it once.")] = False,
    as_json: Json = False,
    store: Place = None,
) -> None:
    """Watch the runs that are running."""
    from etm_lightning.share import described
    from etm_lightning.share.watch import Watching

    if every < 0.1:
        raise typer.BadParameter("must be 0.1 or more", param_hint="--every")
    watching = Watching(open_store(store), query, metric or ())
    if as_json:
        typer.echo(described.text([asdict(one) for one in watching.look()]))
    else:
        watching.show(every, once=once)


@app.command()
def sql(
    question: Annotated[str, typer.Argument(help="SQL over runs, params, metrics, scalars, latest, …")],
    runs: Annotated[str, typer.Option(help="Only of the runs that fit this query.")] = "",
    as_json: Json = False,
    store: Place = None,
) -> None:
    """Ask the store in SQL."""
    from etm_lightning.share import described, table, tables
    from etm_lightning.store.sql import ask

    found = ask(open_store(store).runs(runs, archived=True), question)
    if as_json:
        typer.echo(described.text([dict(zip(found.columns, row, strict=True)) for row in found.rows]))
    elif found.columns:
        table.show(found.columns, [[tables.cell(value) for value in row] for row in found.rows])


@app.command()
def report(
    target: Target = "",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The HTML file to write.")] = None,
    paper: Annotated[
        bool, typer.Option("--paper", help="The page to read and print, instead of the dashboard's.")
    ] = False,
    as_json: Json = False,
    store: Place = None,
) -> None:
    """Write one HTML file about a run or group."""
    from etm_lightning.share import described
    from etm_lightning.share.report import write_report
    from etm_lightning.store.selection import select
    from etm_lightning.web.built import exportable

    opened = open_store(store)
    chosen = select(opened, target)
    path = output or Path(f"report-{described.file_name(chosen.title)}.html")
    if paper or not exportable():
        written = write_report(chosen.runs, path, title=chosen.title)
    else:
        from etm_lightning.web.export import write_selection

        written = write_selection(opened, chosen.runs, path, title=chosen.title)
    typer.echo(described.text({"report": str(written)}) if as_json else str(written))


@app.command()
def ui(
    store: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH", help="A store, or several; else ETM_STORE or the nearest etm_runs."),
    ] = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 for any free one.")] = 8265,
    no_open: Annotated[bool, typer.Option("--no-open", help="Open no browser.")] = False,
    read_only: Annotated[bool, typer.Option("--read-only", help="Refuse every change.")] = False,
    token: Annotated[
        str, typer.Option(envvar="ETM_UI_TOKEN", help="The word that opens it; else a new one each time.")
    ] = "",
    behind_proxy: Annotated[
        bool, typer.Option("--behind-proxy", help="A proxy in front of it does TLS.")
    ] = False,
    public_url: Annotated[
        list[str] | None, typer.Option(help="The address that people type, if it is another one.")
    ] = None,
    ssl_certfile: Annotated[str, typer.Option(help="A certificate for TLS.")] = "",
    ssl_keyfile: Annotated[str, typer.Option(help="The key of the certificate.")] = "",
    as_json: Json = False,
) -> None:
    """Serve the dashboard."""
    from etm_lightning.web.server import Settings, serve

    settings = Settings(
        host=host,
        port=port,
        token=token,
        readonly=read_only,
        behind_proxy=behind_proxy,
        public_urls=public_url or (),
        certfile=ssl_certfile,
        keyfile=ssl_keyfile,
    )
    settings.check()
    opened = [open_store(path) for path in store] if store else [open_store(None)]
    serve(opened, settings, open_browser=not no_open, as_json=as_json)


@app.command()
def export(
    target: Target = "",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The file; else stdout.")] = None,
    format: Annotated[str, typer.Option(help="csv, jsonl or parquet; by default as the file ends.")] = "",
    as_json: Json = False,
    store: Place = None,
) -> None:
    """Write all points as CSV, JSONL or Parquet."""
    from etm_lightning.share import described
    from etm_lightning.share import export as files
    from etm_lightning.store.selection import select

    if format not in ("", *files.FORMATS):
        raise typer.BadParameter(f"must be one of {', '.join(files.FORMATS)}", param_hint="--format")
    if output is None and format == "parquet":
        raise typer.BadParameter("Parquet is not for stdout: name a file", param_hint="--output")
    if output is not None:
        files.format_of(output, format)
    runs = select(open_store(store), target).runs
    if output is None:
        files.write(runs, sys.stdout, format or ("jsonl" if as_json else "csv"))
        return
    count = files.export(runs, output, format=format)
    typer.echo(described.text({"file": str(output), "rows": count}) if as_json else f"{output}: {count} rows")


@app.command()
def sync(
    targets: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TARGET...]", help="Runs, groups, projects; else the newest."),
    ] = None,
    to: Annotated[
        list[str] | None,
        typer.Option(help="tensorboard, wandb, mlflow, or a name of the config; else those of the config."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All runs of the store.")] = False,
    status: Annotated[bool, typer.Option("--status", help="Only tell how far each sink is behind.")] = False,
    as_json: Json = False,
    store: Place = None,
) -> None:
    """Deliver to sinks what they have not got; say again to go on."""
    from etm_lightning.share import described, tables
    from etm_lightning.share import sync as delivering
    from etm_lightning.store.selection import select

    opened = open_store(store)
    runs = (
        opened.runs()
        if every
        else [run for name in targets or ["latest"] for run in select(opened, name).runs]
    )
    ask = delivering.status if status else delivering.sync
    found = []
    for run in runs:
        for one in ask(run, to or ()):
            found.append(one)
            if not as_json:
                tables.synced(one)
    if as_json:
        typer.echo(described.text([asdict(one) for one in found]))
    elif not found:
        typer.echo("no sinks: name one with --to tensorboard, wandb or mlflow")
    if not status and any(one.behind for one in found):
        raise typer.Exit(1)


@app.command()
def resume(
    run: Annotated[str, typer.Argument(help="A run that did not finish.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Further overrides.")
    ] = None,
    cwd: Annotated[Path | None, typer.Option(help="Where its script is now, if it was moved.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the command, and do nothing.")] = False,
    as_json: Json = False,
    store: Place = None,
) -> None:
    """Run its command again, from its last checkpoint."""
    from etm_lightning.share import described

    try:
        from etm_lightning.execute.again import again
    except ModuleNotFoundError as error:
        raise ImportError(f"`etm resume` needs {error.name}: pip install 'etm-lightning[text]'") from error
    found = again(open_store(store).run(run), overrides or (), cwd)
    if as_json:
        typer.echo(described.text({"command": list(found.command), "cwd": str(found.cwd)}))
    else:
        typer.echo(found.shown(), err=not dry_run)
    if not dry_run:
        found.run()


@app.command()
def gc(
    apply: Annotated[bool, typer.Option("--apply", help="Do it.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be done.")] = False,
    budget: Annotated[str, typer.Option(help="Do no more than it takes for this size, such as 20GB.")] = "",
    lines: Annotated[bool, typer.Option("--no-columns", help="Finished segments stay lines.")] = False,
    cache: Annotated[bool, typer.Option("--cache", help="Remove derived files.")] = False,
    trash_days: Annotated[float, typer.Option(help="Delete runs that are in the trash so long.")] = 30.0,
    keep_trash: Annotated[bool, typer.Option("--keep-trash", help="Delete no run.")] = False,
    keep_checkpoints: Annotated[
        int | None, typer.Option(metavar="K", help="Only the K best runs of a group keep their checkpoints.")
    ] = None,
    project: Annotated[str | None, typer.Option(help="Of this project only.")] = None,
    as_json: Json = False,
    store: Place = None,
) -> None:
    """Make room; only tells what would be done without --apply."""
    from etm_lightning.share import described, tables
    from etm_lightning.share import gc as room

    if apply and dry_run:
        raise typer.BadParameter("does not go with --apply", param_hint="--dry-run")
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
        typer.echo(described.room(found, done, applied=apply))
    else:
        tables.room_total(found, done, rules.budget, applied=apply)


@app.command()
def doctor(as_json: Json = False, store: Place = None) -> None:
    """Check packages, devices and the store."""
    from etm_lightning.share import described
    from etm_lightning.share import doctor as check

    found = check.examine(store)
    if as_json:
        typer.echo(described.text(found))
    else:
        check.show(found)
    if found["store"] and found["store"]["damaged"]:
        raise typer.Exit(1)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Your project.")] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there.")] = False,
    as_json: Json = False,
) -> None:
    """Lay `train.py` and `conf/` into your project."""
    from etm_lightning.share import described

    try:
        from etm_lightning.execute.configs import copy_to
    except ModuleNotFoundError as error:
        raise ImportError(f"`etm init` needs {error.name}: pip install 'etm-lightning[text]'") from error
    written = [str(path) for path in copy_to(folder, force)]
    typer.echo(described.text({"files": written}) if as_json else "\n".join(written))
