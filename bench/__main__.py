"""`python -m bench`."""

import sys


def main() -> None:
    """Run the command line; what the user can mend is one line on standard error and exit status 2."""
    from bench.cli import app
    from bench.errors import BenchError

    try:
        app(prog_name="bench")
    except BenchError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
