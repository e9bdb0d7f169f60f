"""What the commands of `etm` have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from etm_lightning.store.store import Store

Function = TypeVar("Function", bound=Callable[..., Any])
FILE = click.Path(path_type=Path)


class Argument(click.Argument):
    """An argument that the help explains: `about` is what it says."""

    def __init__(self, names: Sequence[str], *, about: str, **settings: Any) -> None:
        super().__init__(names, **settings)
        self.about = about

    def get_help_record(self, ctx: click.Context) -> tuple[str, str]:
        return self.human_readable_name, self.about


def argument(name: str, about: str, **settings: Any) -> Callable[[Function], Function]:
    """An argument of a command, with `settings` as `click.argument` takes them."""
    return click.argument(name, cls=Argument, about=about, **settings)


class Command(click.Command):
    """A command whose help lists arguments before options."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, kind in (("Arguments", click.Argument), ("Options", click.Option)):
            parameters = [one for one in self.get_params(ctx) if isinstance(one, kind)]
            rows = [row for one in parameters if (row := one.get_help_record(ctx))]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


class Commands(click.Group):
    """Commands in their order. A mistake in what was asked for is one line and exit code 1."""

    command_class = Command

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise
        except (LookupError, ValueError, OSError, ImportError) as error:
            click.echo(f"etm: {message(error)}", err=True)
            raise click.exceptions.Exit(1) from error


def message(error: Exception) -> str:
    """What an error says; one of a file names it."""
    where = getattr(error, "filename", None)
    return f"{where}: {error.strerror}" if where and isinstance(error, OSError) else str(error)


json_option = click.option("--json", "as_json", is_flag=True, help="JSON on stdout, for programs.")
store_option = click.option(
    "--store", metavar="PATH", help="The store; else ETM_STORE or the nearest etm_runs."
)
target_argument = argument(
    "target", "A run, group or project; by default the newest run's group.", default=""
)


def open_store(path: str | None) -> Store:
    """The store that a command reads, told on stderr."""
    from etm_lightning.store.store import Store

    store = Store(path)
    click.echo(f"store: {store.path}", err=True)
    return store
