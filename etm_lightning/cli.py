"""``etm``: what is in the store, which settings did best, and who else should know."""

from __future__ import annotations

import sys

import click

from etm_lightning.commands import edit, give, keep, look, study
from etm_lightning.commands.base import Commands


@click.group(cls=Commands)
def app() -> None:
    """Experiment tracking and management. `RUN` may be a part of an id, or `latest`."""


for command in (
    *(look.ls, look.show, look.leaderboard),
    *(edit.tag, edit.note, edit.rename, edit.group, edit.archive, edit.rm),
    *(look.compare, look.watch, look.sql),
    *(give.report, give.ui, give.export, give.sync),
    *(keep.resume, keep.gc, keep.doctor, keep.init),
    study.app,
):
    app.add_command(command)


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without the letters still gets the table
    app(prog_name="etm")
