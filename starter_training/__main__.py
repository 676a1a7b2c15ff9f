"""Makes the bundled starter: ``prepare`` writes its data, ``train`` the model, ``measure`` its card; ``read`` compares two."""

import argparse
from dataclasses import fields
from pathlib import Path


def arguments() -> argparse.Namespace:
    """Read the command line."""
    from starter_training.train import Settings

    parser = argparse.ArgumentParser(prog="python -m starter_training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    part = commands.add_parser("prepare", help="write tokenizer and token files from the corpus and the generators")
    part.add_argument("--corpus", type=Path, required=True, help="folder with the corpus files that the card lists")
    part.add_argument("--vocabulary", type=int, default=8192)
    part.add_argument("--seed", type=int, default=7)
    part.add_argument("--workers", type=int, default=2)
    part.add_argument("--data", type=Path, default=Path("build/starter-data"))
    part = commands.add_parser("train", help="train on the prepared files; a run that was cut off goes on")
    part.add_argument("--data", type=Path, default=Path("build/starter-data"))
    part.add_argument("--work", type=Path, default=Path("build/starter"), help="where snapshots are kept")
    part.add_argument("--out", type=Path, default=Path("build/starter-model"), help="where the model is written")
    for field in fields(Settings):
        kind = float if field.type in (float, "float") else int
        part.add_argument(f"--{field.name.replace('_', '-')}", type=kind, required=field.name == "minutes", default=field.default)
    part = commands.add_parser("measure", help="measure a trained model and write its card")
    part.add_argument("folder", type=Path)
    part.add_argument("--data", type=Path, default=Path("build/starter-data"), help="the prepared files, for what was held out")
    part.add_argument("--corpus", type=Path, help="the corpus, to look for text that is copied from it")
    part.add_argument("--before", type=Path, help="another model folder to measure beside it")
    part = commands.add_parser("read", help="compare two models blindly, and count what was decided")
    part.add_argument("old", type=Path)
    part.add_argument("new", type=Path)
    part.add_argument("--out", type=Path, default=Path("build/starter-reading"))
    return parser.parse_args()


def main() -> None:
    """Run a command."""
    options = arguments()
    if options.command == "prepare":
        from starter_training.prepare import prepare

        counts = prepare(options.corpus, options.data, options.vocabulary, options.seed, options.workers)
        for name, count in counts.items():
            print(f"{name:16} {count['tokens']:>12,} tokens {count['documents']:>9,} documents")  # noqa: T201
        return
    if options.command == "measure":
        from starter_training.measure import write_card

        write_card(options.folder, options.data, options.corpus, options.before)
        return
    if options.command == "read":
        from starter_training.reading import read

        print(read(options.old, options.new, options.out))  # noqa: T201
        return
    from starter_training.train import Settings, train

    settings = Settings(**{field.name: getattr(options, field.name) for field in fields(Settings)})
    print(train(settings, options.data, options.work, options.out))  # noqa: T201 (a command's output)


if __name__ == "__main__":
    main()
