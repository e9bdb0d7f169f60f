"""Commands that look at runs."""

from __future__ import annotations

from dataclasses import asdict

import click

from etm_lightning.commands.base import (
    Command,
    argument,
    json_option,
    open_store,
    store_option,
    target_argument,
)

LISTED = 50


@click.command(cls=Command)
@argument("query", "Only runs that fit, such as 'lr > 1e-4 and val/f1 > 0.9'.", nargs=-1)
@click.option("--project", help="Of this project only.")
@click.option("--status", help="With this status only, such as finished.")
@click.option("--group", help="Of this group only.")
@click.option("--tag", multiple=True, help="With this tag; may be repeated.")
@click.option(
    "--sort",
    default="-created",
    show_default=True,
    help="By this column, param or metric; -NAME: largest first.",
)
@click.option("--columns", default="", help="Columns, params and metrics to show, with commas.")
@click.option("--all", "every", is_flag=True, help="More than 50, and archived ones too.")
@click.option("--trash", is_flag=True, help="The runs in the trash instead.")
@json_option
@store_option
def ls(
    query: tuple[str, ...],
    project: str | None,
    status: str | None,
    group: str | None,
    tag: tuple[str, ...],
    sort: str,
    columns: str,
    every: bool,
    trash: bool,
    as_json: bool,
    store: str | None,
) -> None:
    """List runs, newest first."""
    from etm_lightning.share import described, tables

    _known(status)
    opened = open_store(store)
    found = opened.catalogue.rows(
        " ".join(query),
        project=project,
        group=group,
        status=status,
        tags=tag,
        archived=every,
        trashed=trash,
        sort=sort,
        limit=None if every else LISTED + 1,
    )
    shown = found if every else found[:LISTED]
    names = opened.catalogue.fields(columns.split(",")) if columns else ()
    if as_json:
        describe = (lambda row: described.chosen(row, names)) if names else described.brief
        click.echo(described.text([describe(row) for row in shown]))
    elif shown:
        tables.runs(shown, names)
    else:
        click.echo("no runs" + (" fit" if query else ""))
    if len(shown) < len(found):
        click.echo(f"the first {LISTED}; --all shows all", err=True)


@click.command(cls=Command)
@argument("run", "A run.", default="latest")
@json_option
@store_option
def show(
    run: str,
    as_json: bool,
    store: str | None,
) -> None:
    """Show all about a run."""
    from etm_lightning.share import described, tables

    found = open_store(store).run(run)
    if as_json:
        click.echo(described.text(described.whole(found)))
    else:
        tables.run(found)


@click.command(cls=Command)
@target_argument
@click.option("--metric", default="", help="Rank by this metric at the best checkpoint.")
@click.option("--mode", default="", help="min or max; by default as recorded.")
@click.option("--runs", default="", help="Only the runs that fit this query; of all, without a target.")
@json_option
@store_option
def leaderboard(
    target: str,
    metric: str,
    mode: str,
    runs: str,
    as_json: bool,
    store: str | None,
) -> None:
    """Rank settings, mean ± sd over seeds."""
    from etm_lightning.design.config import nearest
    from etm_lightning.evaluate.leaderboard import leaderboard as rank
    from etm_lightning.share import described, tables
    from etm_lightning.store.selection import field

    if mode not in ("", "min", "max"):
        raise click.BadParameter("must be min or max", param_hint="--mode")
    chosen = field(open_store(store), target, runs)
    known = sorted({name for run in chosen.runs for name in run.stages})
    if metric and metric not in known:
        cure = nearest(metric, known) or f"; they have {', '.join(known[:20]) or 'none'}"
        raise ValueError(f"`metric` must be a metric of these runs but got {metric!r}{cure}")
    found = rank(chosen.runs, metric=metric, mode=mode)
    title = f"{chosen.kind} {chosen.title}"
    if as_json:
        click.echo(described.text(described.board(title, found)))
    else:
        tables.leaderboard(title, found)


@click.command(cls=Command)
@argument("targets", "Runs, or groups of runs.", nargs=-1, required=True, metavar="RUN...")
@click.option("--baseline", default="", help="Compare with this run; by default the first.")
@click.option("--method", default="t", show_default=True, help="t or bootstrap.")
@click.option("--only", is_flag=True, help="Without their replicates in the store.")
@click.option("--all", "every", is_flag=True, help="Also what is the same in all.")
@json_option
@store_option
def compare(
    targets: tuple[str, ...],
    baseline: str,
    method: str,
    only: bool,
    every: bool,
    as_json: bool,
    store: str | None,
) -> None:
    """Compare runs: settings, code, values, with statistics over seeds."""
    from etm_lightning.evaluate.comparison import METHODS
    from etm_lightning.evaluate.comparison import compare as side_by_side
    from etm_lightning.share import compared, described
    from etm_lightning.store.selection import several

    if method not in METHODS:
        raise click.BadParameter(f"must be one of {', '.join(METHODS)}", param_hint="--method")
    opened = open_store(store)
    runs = several(opened, [*targets, *([baseline] if baseline else [])])
    first = opened.run(baseline).folder if baseline else runs[0].folder
    chosen = next(run for run in runs if run.folder == first)
    pool = (
        () if only else [run for name in {run.project for run in runs} for run in opened.runs(project=name)]
    )
    found = side_by_side(runs, baseline=chosen, pool=pool, method=method)  # type: ignore[arg-type]  # checked above
    if as_json:
        click.echo(described.text(compared.data(found)))
    else:
        compared.tables(found, every=every)


@click.command(cls=Command)
@argument("query", "Only runs that fit.", nargs=-1)
@click.option("--metric", multiple=True, help="Show this metric; may be repeated.")
@click.option("--every", type=float, default=2.0, show_default=True, help="Look again after so many seconds.")
@click.option("--once", is_flag=True, help="Show it once.")
@json_option
@store_option
def watch(
    query: tuple[str, ...],
    metric: tuple[str, ...],
    every: float,
    once: bool,
    as_json: bool,
    store: str | None,
) -> None:
    """Watch the runs that are running."""
    from etm_lightning.share import described
    from etm_lightning.share.watch import Watching

    if every < 0.1:
        raise click.BadParameter("must be 0.1 or more", param_hint="--every")
    watching = Watching(open_store(store), " ".join(query), metric)
    if as_json:
        click.echo(described.text([asdict(one) for one in watching.look()]))
    else:
        watching.show(every, once=once)


@click.command(cls=Command)
@argument("question", "SQL over runs, params, metrics, scalars, latest, …")
@click.option("--runs", default="", help="Only of the runs that fit this query.")
@json_option
@store_option
def sql(
    question: str,
    runs: str,
    as_json: bool,
    store: str | None,
) -> None:
    """Ask the store in SQL."""
    from etm_lightning.share import described, table, tables
    from etm_lightning.store.sql import ask

    found = ask(open_store(store).runs(runs, archived=True), question)
    if as_json:
        click.echo(described.text([dict(zip(found.columns, row, strict=True)) for row in found.rows]))
    elif found.columns:
        table.show(found.columns, [[tables.cell(value) for value in row] for row in found.rows])


def _known(status: str | None) -> None:
    from etm_lightning.records import STATUSES

    if status is not None and status not in STATUSES:
        raise click.BadParameter(f"must be one of {', '.join(STATUSES)}", param_hint="--status")
