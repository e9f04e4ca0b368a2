"""`python -m bench`."""

import sys
from typing import NoReturn


def main() -> None:
    """Run the command line; what the user can mend is one line on standard error and exit status 2."""
    from bench.cli import app
    from bench.errors import BenchError

    try:
        app(prog_name="bench")
    except BenchError as error:
        _end(str(error))
    except OSError as error:
        if error.filename is None:
            raise
        _end(f"{error.filename}: {error.strerror}; correct the path or its permissions")


def _end(message: str) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    raise SystemExit(2) from None


if __name__ == "__main__":
    main()
