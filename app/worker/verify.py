"""``python -m app.worker.verify ADAPTER BASE``: loads an adapter in a fresh process and replays its canary."""

import sys
from pathlib import Path

from reft_engine import ReftError, load_base
from reft_engine.formats import read_config
from reft_engine.trainable import verify_adapter


def main() -> int:
    """0 when the adapter reproduces; else 1 and a sentence on standard error."""
    adapter, base = sys.argv[1:]
    try:
        revision = read_config(Path(adapter))["base_model"]["revision"]
        difference = verify_adapter(adapter, load_base(base, revision=revision).model)
    except ReftError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"reproduces; largest difference of a logit {difference:.2g}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
