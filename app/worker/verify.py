"""``python -m app.worker.verify ADAPTER BASE``: loads an adapter in a fresh process and replays its canary."""

import sys
from pathlib import Path

from reft_engine import ReftError, load_base, load_options
from reft_engine.formats import read_config
from reft_engine.trainable import verify_adapter


def main() -> int:
    """0 when the adapter reproduces; else 1 and a sentence on standard error."""
    adapter, base = sys.argv[1:]
    try:
        recorded = read_config(Path(adapter))["base_model"]
        options = load_options(recorded.get("precision"))
        difference = verify_adapter(adapter, load_base(base, revision=recorded["revision"], **options).model)
    except ReftError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"reproduces; largest difference of a logit {difference:.2g}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
