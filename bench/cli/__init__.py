"""The command line: parses, delegates, prints. Heavy modules are imported by the command that needs them."""

from typing import Annotated

import typer

from bench import __version__
from bench.cli.common import app

__all__ = ["app"]


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"retrieval-bench {__version__}")
        raise typer.Exit


@app.callback()
def _every_command(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and stop.")
    ] = False,
) -> None: ...


from bench.cli import cache, imported, look, plugins, published, run, tune  # noqa: E402, F401  in the help's order
