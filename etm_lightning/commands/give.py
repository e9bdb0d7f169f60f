"""Commands that show runs to others: reports, the dashboard, files and other trackers."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click

from etm_lightning.commands.base import (
    FILE,
    Command,
    argument,
    json_option,
    message,
    open_store,
    store_option,
    target_argument,
)


@click.command(cls=Command)
@target_argument
@click.option("--output", "-o", type=FILE, help="The HTML file to write.")
@click.option("--paper", is_flag=True, help="The page to read and print, instead of the dashboard's.")
@json_option
@store_option
def report(
    target: str,
    output: Path | None,
    paper: bool,
    as_json: bool,
    store: str | None,
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
    click.echo(described.text({"report": str(written)}) if as_json else str(written))


@click.command(cls=Command)
@click.option(
    "--store",
    multiple=True,
    metavar="PATH",
    help="A store, or several; else ETM_STORE or the nearest etm_runs.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8265,
    show_default=True,
    help="The port; 0 for any free one.",
)
@click.option("--no-open", is_flag=True, help="Open no browser.")
@click.option("--read-only", is_flag=True, help="Refuse every change.")
@click.option(
    "--token", default="", envvar="ETM_UI_TOKEN", help="The word that opens it; else a new one each time."
)
@click.option("--behind-proxy", is_flag=True, help="A proxy in front of it does TLS.")
@click.option("--public-url", multiple=True, help="The address that people type, if it is another one.")
@click.option("--ssl-certfile", default="", help="A certificate for TLS.")
@click.option("--ssl-keyfile", default="", help="The key of the certificate.")
@json_option
def ui(
    store: tuple[str, ...],
    host: str,
    port: int,
    no_open: bool,
    read_only: bool,
    token: str,
    behind_proxy: bool,
    public_url: tuple[str, ...],
    ssl_certfile: str,
    ssl_keyfile: str,
    as_json: bool,
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


@click.command(cls=Command)
@target_argument
@click.option("--output", "-o", type=FILE, help="The file; else stdout.")
@click.option("--format", default="", help="csv, jsonl or parquet; by default as the file ends.")
@json_option
@store_option
def export(
    target: str,
    output: Path | None,
    format: str,
    as_json: bool,
    store: str | None,
) -> None:
    """Write all points as CSV, JSONL or Parquet."""
    from etm_lightning.share import described
    from etm_lightning.share import export as files
    from etm_lightning.store.selection import select

    if format not in ("", *files.FORMATS):
        raise click.BadParameter(f"must be one of {', '.join(files.FORMATS)}", param_hint="--format")
    if output is None and format == "parquet":
        raise click.BadParameter("Parquet is not for stdout: name a file", param_hint="--output")
    if output is not None:
        files.format_of(output, format)
    runs = select(open_store(store), target).runs
    if output is None:
        files.write(runs, sys.stdout, format or ("jsonl" if as_json else "csv"))
        return
    count = files.export(runs, output, format=format)
    click.echo(described.text({"file": str(output), "rows": count}) if as_json else f"{output}: {count} rows")


@click.command(cls=Command)
@argument("targets", "Runs, groups, projects; else the newest.", nargs=-1, metavar="[TARGET...]")
@click.option(
    "--to",
    multiple=True,
    help="tensorboard, wandb, mlflow, or a name of the config; else those of the config.",
)
@click.option("--all", "every", is_flag=True, help="All runs of the store.")
@click.option("--status", is_flag=True, help="Only tell how far each sink is behind.")
@json_option
@store_option
def sync(
    targets: tuple[str, ...],
    to: tuple[str, ...],
    every: bool,
    status: bool,
    as_json: bool,
    store: str | None,
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
    found, unread = [], False
    for run in runs:
        try:
            told = ask(run, to or ())
        except OSError as error:  # the others are brought all the same
            click.echo(f"etm: {message(error)}", err=True)
            unread = True
            continue
        for one in told:
            found.append(one)
            if not as_json:
                tables.synced(one)
    if as_json:
        click.echo(described.text([asdict(one) for one in found]))
    elif not (found or unread):
        click.echo("no sinks: name one with --to tensorboard, wandb or mlflow")
    if unread or (not status and any(one.behind for one in found)):
        raise click.exceptions.Exit(1)
