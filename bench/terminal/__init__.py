"""What the terminal shows; the only part of the harness that knows how a terminal draws."""

from bench.terminal.board import BoardView
from bench.terminal.console import console, make_printable
from bench.terminal.hits import docids_table, hits_table, judged_table, judged_tables, reported_table
from bench.terminal.listings import (
    card_table,
    dataset_line,
    facts_table,
    options_table,
    plan_table,
    print_names,
    suite_table,
)
from bench.terminal.progress import ProgressDisplay

__all__ = [
    "BoardView",
    "ProgressDisplay",
    "card_table",
    "console",
    "dataset_line",
    "docids_table",
    "facts_table",
    "hits_table",
    "judged_table",
    "judged_tables",
    "make_printable",
    "options_table",
    "plan_table",
    "print_names",
    "reported_table",
    "suite_table",
]
