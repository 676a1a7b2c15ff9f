"""Where the command begins: nothing is imported before somebody may press Ctrl+C without being shown a traceback."""

import sys


def main() -> int:
    """Run the command line."""
    try:
        from app.cli import main as run

        return run()
    except KeyboardInterrupt:  # while Python was still reading the program
        sys.stderr.write("reft-studio: stopped.\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())
