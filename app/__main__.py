"""The entry point of the command ``reft-studio``: Ctrl+C ends it without a traceback, even while libraries are still imported."""

import os
import signal
import sys


def main() -> int:
    """Run the command line."""
    signal.signal(signal.SIGINT, _leave)
    os.umask(0o077)  # what is written is its user's alone, as `storage.modes` says for processes that begin elsewhere
    try:
        from app.cli import main as run

        return run()
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("app", "reft_engine", "storage"):  # a mistake of ours
            raise
        told = f"{error.name} is not installed. The studio needs more than its library: pip install 'reft-studio[app]'"
        sys.stderr.write(f"reft-studio: {told}\n")
        return 2


def _leave(*_: object) -> None:
    """End at once: while libraries are being read there is nothing to put in order, and some of them swallow KeyboardInterrupt."""
    os.write(2, b"reft-studio: stopped.\n")
    os._exit(130)


if __name__ == "__main__":
    sys.exit(main())
