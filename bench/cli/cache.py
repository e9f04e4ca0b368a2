"""The cache: where it is, what lies in it, and how it is made smaller."""

from typing import Annotated

import typer

from bench.cli.common import app, examples
from bench.errors import BenchError

cache = typer.Typer(help="Where the cache is and what lies in it; check it, and remove what is old or too much.")
app.add_typer(cache, name="cache")


@cache.callback(invoke_without_command=True)
def _alone(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_()


@cache.command(name="list", epilog=examples("cache list"))
def list_() -> None:
    """List collections, states, vectors and what else is kept, last used first."""
    from bench.caching import entries
    from bench.terminal.cache import print_entries

    print_entries(entries())


@cache.command(epilog=examples("cache check"))
def check() -> None:
    """Read every file of what is kept, and list what is whole and what is damaged. Exit status 1 if something is."""
    from bench.caching import entries
    from bench.terminal.cache import print_entries

    if print_entries(entries(), check=True):
        raise typer.Exit(1)


@cache.command(epilog=examples("cache prune --older 30d", "cache prune --above 5GB --dry-run"))
def prune(
    older: Annotated[str, typer.Option(help="Remove what was not used for so long: 30d, 2w, 12h.")] = "",
    above: Annotated[str, typer.Option(help="Remove the least recently used until so much is left: 5GB.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would be removed, and leave it.")] = False,
) -> None:
    """Remove what is old, or the least recently used of what is too much. What a run uses stays."""
    from bench.caching import entries, parse_bytes, parse_days, to_prune
    from bench.terminal.cache import print_pruned

    if not older and not above:
        raise BenchError("nothing says what to prune; give --older 30d or --above 5GB, with --dry-run to look first")
    chosen = to_prune(entries(), parse_days(older) if older else None, parse_bytes(above) if above else None)
    print_pruned(chosen, dry_run)
