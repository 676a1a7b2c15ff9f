"""``reft-studio``: serve the pages, or train, inspect, chat, evaluate and check from a terminal.

Bad input ends with exit code 2 and one sentence on standard error; ``--json`` ends standard output with one line of JSON.
"""

import argparse
import io
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.errors import READABLE, StudioError
from reft_engine.methods import METHODS

if TYPE_CHECKING:
    from reft_engine import ReftModel
    from reft_engine.base_models import Base
    from reft_engine.data import Inspection
    from reft_engine.data.row_check import RowCheck
    from reft_engine.spec import RunSpec

COMMANDS = ("serve", "train", "sweep", "inspect", "chat", "evaluate", "doctor", "backup", "restore")


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without the usage text above it."""

    def error(self, message: str) -> Any:
        raise StudioError(f"{message[:1].upper()}{message[1:]}. `{self.prog} --help` lists what can be given.")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _note(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _tell(options: argparse.Namespace, text: str) -> None:
    """What a command is asked for: on standard output, unless a line of JSON takes its place there."""
    _note(text) if options.json else _say(text)


def _refuse(text: str) -> int:
    _note(f"reft-studio: {' '.join(text.split())}")
    return 2


def _finish(options: argparse.Namespace, values: dict[str, Any]) -> None:
    if options.json:
        _say(json.dumps(values, ensure_ascii=sys.stdout.encoding.lower() != "utf-8"))


def _inspected(path: Path, prompt: str | None, answer: str | None) -> "Inspection":
    from reft_engine.data import ColumnMapping, inspect_file

    if not path.is_file():
        raise StudioError(f"There is no file {path}.")
    if bool(prompt) != bool(answer):
        raise StudioError("Give both --prompt-column and --answer-column, or neither.")
    return inspect_file(path, ColumnMapping(prompt=prompt, answer=answer) if prompt and answer else None)


def _rows_of(options: argparse.Namespace) -> "Inspection":
    """The rows of the file that is named. Raises StudioError where there is none that can be read."""
    path: Path = options.data
    found = _inspected(path, options.prompt_column, options.answer_column)
    if found.needs_mapping:
        columns = ", ".join(found.columns)[:300]
        raise StudioError(f"{path.name} has the columns {columns}; say which is which with --prompt-column and --answer-column.")
    if not found.examples:
        raise StudioError(f"{path.name} has no row that can be used. {found.problems[0].text if found.problems else ''}".strip())
    return found


def _note_rows(found: "Inspection", sentence: str, check: "RowCheck") -> None:
    """Say what of a file is not used, and what is odd about its rows, before they are learned from."""
    for note in [*found.notes, sentence, *check.notes[1:]]:
        _note(note)


def serve(options: argparse.Namespace) -> int:
    """Start the pages."""
    from app.serve import serve as run_server
    from app.settings import read_settings

    given = {"host": options.host, "port": options.port, "data_dir": options.data_dir}
    settings = read_settings(**{name: value for name, value in given.items() if value is not None})
    return run_server(settings, browser=not options.no_browser)


def train(options: argparse.Namespace) -> int:
    """Train an edit; again with the same arguments it continues or leaves a finished run alone."""
    from reft_engine.spec import ReftConfig, RunSpec, TrainConfig

    spec = RunSpec(
        base=options.base,
        reft=ReftConfig(
            method=options.method, rank=options.rank, layers=options.layers, positions=options.positions, tied=options.tied,
            dropout=options.dropout,
        ),
        train=TrainConfig(
            epochs=options.epochs, learning_rate=options.lr, batch_size=options.batch_size, seed=options.seed,
            max_length=options.max_length, held_out=options.held_out, reuse=options.reuse, packing=options.packing,
            keep=options.keep, patience=options.patience, split_seed=options.split_seed,
        ),
    )  # fmt: skip
    out: Path = options.out
    if out.exists() and not out.is_dir():
        raise StudioError(f"{out} is a file; --out names a folder.")
    found = _rows_of(options)
    record, wanted = out / "run.json", _fingerprint(_settings(spec), options.data)
    earlier = _earlier(record, wanted)
    if earlier and (out / "adapter").is_dir():
        _tell(options, "This run is finished already; nothing was done.")
        _finish(options, {**earlier["result"], "adapter": str(out / "adapter")})
        return 0
    return _train(options, spec, found, record, wanted, earlier.get("revision"))


def _earlier(record: Path, wanted: str) -> dict[str, Any]:
    """What the folder says of the run that it holds; empty when there is none yet."""
    if not record.is_file():
        return {}
    try:
        earlier = dict(json.loads(record.read_text(encoding="utf-8")))
        fingerprint, earlier["result"] = earlier["fingerprint"], dict(earlier.get("result", {}))
    except (ValueError, TypeError, KeyError) as error:
        raise StudioError(f"{record} is damaged; choose another --out or remove the folder.") from error
    if fingerprint != wanted:
        raise StudioError(f"{record.parent} holds a run with other settings or data; choose another --out or remove the folder.")
    return earlier


def _settings(spec: "RunSpec") -> dict[str, Any]:
    """The settings that tell runs apart; later ones only where they were given, so that folders of earlier versions go on."""
    values = spec.model_dump(mode="json")
    for name in ("keep", "patience", "split_seed"):
        if values["train"][name] == type(spec.train).model_fields[name].default:
            del values["train"][name]
    return values


def _fingerprint(spec: dict[str, Any], data: Path) -> str:
    import hashlib

    return hashlib.sha256(json.dumps(spec, sort_keys=True).encode() + data.read_bytes()).hexdigest()


def _train(options: argparse.Namespace, spec: Any, found: "Inspection", record: Path, wanted: str, revision: str | None) -> int:
    from app.handlers.verdict import sentences
    from reft_engine import load_base
    from reft_engine import train as run
    from reft_engine.events import HeldOutEvent, ReuseEvent, RowsEvent, StepEvent
    from reft_engine.files import write_atomic

    base = load_base(spec.base, revision=revision)
    taken = {"fingerprint": wanted, "revision": base.revision}
    checked: list[RowCheck] = []

    def begin(_reft: Any) -> None:
        """Take the folder, now that nothing speaks against the run any more."""
        write_atomic(record, json.dumps(taken).encode())
        for check in checked:
            _note_rows(found, check.run_sentence, check)

    def show(event: Any) -> None:
        if isinstance(event, RowsEvent):
            checked.append(event.check)
        elif isinstance(event, StepEvent) and (event.step % 10 == 0 or event.step == event.total_steps):
            _note(f"step {event.step}/{event.total_steps}  loss {event.loss:.4f}  {event.seconds_left:.0f} s left")
        elif isinstance(event, HeldOutEvent):
            right = f"{event.right:,} of {event.rows:,} right (base {event.right_base:,})"
            _note(f"step {event.step}  held-out loss {event.loss:.4f} (base {event.loss_base:.4f}), {right}")
        elif isinstance(event, ReuseEvent):
            _note(event.sentence)

    result = run(base, found.examples, spec.reft, spec.train, folder=options.out, file_rows=found.rows, on_event=show, on_ready=begin)
    values = {"adapter": str(result.adapter), **result.summary()}
    write_atomic(record, json.dumps({**taken, "result": values}).encode())
    if result.stopped_early:
        _note(f"Stopped early after step {result.steps:,}: the held-out loss had not fallen for {spec.train.patience} measurements.")
    for sentence in sentences(result.evidence, result.verdict):
        _tell(options, sentence)
    size = sum(path.stat().st_size for path in Path(str(result.adapter)).iterdir())
    _tell(options, f"{result.reft.trainable_parameters:,} trained numbers, {size / 1000:,.0f} kB, written to {result.adapter}")
    _finish(options, values)
    return 0


def sweep(options: argparse.Namespace) -> int:
    """Train one edit for each combination of what is listed, all in the same passes of the base model, and rank them."""
    from app import sweep as many
    from reft_engine import load_base, train_many
    from reft_engine.events import PhaseEvent, ReuseEvent, RowsEvent, StepEvent

    out: Path = options.out
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise StudioError(f"{out} is there already; --out names a folder that is to be made.")
    runs = many.combinations(options)
    wanted = list(many.specs(options, runs))
    found = _rows_of(options)
    base = load_base(options.base)
    checked: list[RowCheck] = []
    unsaid = [True]

    def show(index: int, event: Any) -> None:
        if isinstance(event, RowsEvent):
            checked.append(event.check)
        elif unsaid and not isinstance(event, PhaseEvent):  # nothing speaks against the runs any more
            unsaid.clear()
            _note_rows(found, f"{len(runs)} runs. {checked[0].sentence}", checked[0])
        if isinstance(event, ReuseEvent) and index == 0:
            _note(event.sentence)
        elif isinstance(event, StepEvent) and (event.step % 50 == 0 or event.step == event.total_steps):
            _note(f"run {index}: step {event.step}/{event.total_steps}  loss {event.loss:.4f}  {event.seconds_left:.0f} s left")

    lines = many.ranked(runs, train_many(base, found.examples, wanted, folder=out, file_rows=found.rows, on_event=show), out)
    _tell(options, many.table(lines))
    _finish(options, {"runs": lines, "rows": checked[0].usable_rows, "rows_left_out": checked[0].rows_left_out})
    return 0


def inspect(options: argparse.Namespace) -> int:
    """Say what a file is recognised as, what a base model can be trained on of it, and what is wrong with it."""
    from app.file_report import file_report

    report = file_report(_inspected(options.file, options.prompt_column, options.answer_column), options.base, options.max_length)
    said = [report.inspection.sentence, *report.notes]
    for sentence in said:
        _tell(options, sentence)
    for problem in report.problems[:20]:
        _tell(options, problem.text)
    if report.problem_count > 20:
        _tell(options, f"... and {report.problem_count - 20:,} more.")
    _finish(options, report.values(options.base, options.max_length))
    return 0


def _adapter(folder: Path) -> "tuple[Base, ReftModel, int]":
    """Base model and edit of a folder, and the longest row that the edit was trained with."""
    from reft_engine import ReftModel
    from reft_engine.adapter_file import load_base_of, read_config
    from reft_engine.spec import TrainConfig

    folder = folder / "adapter" if (folder / "adapter").is_dir() else folder
    base = load_base_of(folder)
    max_length = read_config(folder)["training"].get("max_length")
    return base, ReftModel.load(folder, base.model), max_length if isinstance(max_length, int) else TrainConfig().max_length


def chat(options: argparse.Namespace) -> int:
    """Answer one prompt with base and tuned."""
    from reft_engine import generate
    from reft_engine.data import Message

    if not options.prompt.strip():
        raise StudioError("The prompt is empty.")
    if options.max_new_tokens < 1:
        raise StudioError("An answer has one token at least; --max-new-tokens is 1 or more.")
    if not 0 <= options.seed < 2**31:
        raise StudioError("--seed is a whole number from 0 to 2147483647.")
    base, reft, _ = _adapter(options.dir)
    before = [Message("system", options.system.strip())] if options.system.strip() else []
    conversation = [*before, Message("user", options.prompt.strip())]
    answers = generate(
        base, conversation, [None, reft], max_new_tokens=options.max_new_tokens, temperature=options.temperature,
        seed=options.seed, strength=options.strength,
    )  # fmt: skip
    if not options.json:
        _say(f"base:  {answers[0]}\ntuned: {answers[1]}")
    _finish(options, {"base": answers[0], "tuned": answers[1]})
    return 0


def evaluate(options: argparse.Namespace) -> int:
    """Measure base and tuned on rows of a file; what training would leave out is left out here too."""
    from app.handlers.verdict import right_of
    from reft_engine import evaluate as measure

    found = _rows_of(options)
    base, reft, max_length = _adapter(options.dir)
    figures = measure(base, reft, found.examples, max_length=max_length)
    left_out = found.rows - figures["rows"]
    for note in found.notes:
        _tell(options, note)
    if left_out:
        _tell(options, f"Measured on {figures['rows']:,} of {found.rows:,} rows; {left_out:,} {'is' if left_out == 1 else 'are'} left out.")
        for reason in [problem.text for problem in found.problems][:10] + figures["left_out"][:10]:
            _tell(options, reason)
    for name, each in (("base", figures["base"]), ("tuned", figures["tuned"])):
        right = right_of(round(each["exact_match"] * figures["examples"]), figures["examples"])
        _tell(options, f"{name:5}  loss {each['loss']:.4f}  exactly right {right}")
    _finish(options, {"base": figures["base"], "tuned": figures["tuned"], "rows": figures["rows"], "rows_left_out": left_out})
    return 0


def doctor(options: argparse.Namespace) -> int:
    """Say what this machine can run, and what in the data folder is out of order; 1 when something is left that is."""
    from app import doctor as checks

    values = checks.machine()
    for name, value in values.items():
        _tell(options, f"{name:16} {', '.join(f'{each} {of}' for each, of in value.items()) if isinstance(value, dict) else value}")
    place = _place(options.data_dir)
    try:
        found = checks.house(*place, mend=options.repair)
    except StudioError as error:
        if options.data_dir or options.repair:
            raise
        _tell(options, str(error))
        _finish(options, values)
        return 0
    if found["disk"]:
        _tell(options, "data folder      " + ", ".join(f"{name} {count / 1e6:,.1f} MB" for name, count in found["disk"].items()))
    for sentence in [*found["done"], *found["findings"]]:
        _tell(options, sentence)
    if found["repairable"]:
        _tell(options, "`reft-studio doctor --repair` puts right what can be.")
    elif not found["findings"]:
        _tell(options, "All is in order.")
    _finish(options, {**values, "data": found})
    return 1 if found["findings"] else 0


def backup(options: argparse.Namespace) -> int:
    """Write everything that lasts into one file, while the studio runs."""
    from app import doctor as checks

    storage = checks.open_storage(*_place(options.data_dir))
    try:
        found = checks.backup(storage, options.file)
    finally:
        storage.close()
    _tell(options, f"{found.files:,} files, {found.bytes / 1e6:,.1f} MB, written to {options.file}.")
    if not found.database:
        _tell(options, "The database is not among them: it is not a file of the studio's. Back it up with its own tool (pg_dump).")
    _finish(options, {"file": str(options.file), "files": found.files, "bytes": found.bytes, "database": found.database})
    return 0


def restore(options: argparse.Namespace) -> int:
    """Put a backup into a new data folder."""
    from app import doctor as checks

    found = checks.restore(options.file, options.data_dir)
    _tell(options, f"{found.files:,} files put into {options.data_dir}.")
    if not found.database:
        advice = "Put it back with its own tool (pg_restore or psql)."
        _tell(options, f"The database is not among them: it was not a file of the studio's. {advice}")
    _finish(options, {"data_dir": str(options.data_dir), "files": found.files, "bytes": found.bytes, "database": found.database})
    return 0


def _place(data_dir: Path | None) -> tuple[Path, str | None]:
    """The data folder and the address of its database, as given or set."""
    from app.settings import read_settings

    settings = read_settings(**({"data_dir": data_dir} if data_dir else {}))
    return settings.data_dir, settings.database_url


def _number(kind: Callable[[str], Any], what: str) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            return kind(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{text[:40]!r} is not {what}") from error

    return read


_INTEGER, _REAL = _number(int, "a whole number"), _number(float, "a number")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="reft-studio", description="Representation finetuning without code.")
    commands = parser.add_subparsers(dest="command", parser_class=_Parser)
    part = commands.add_parser("serve", help="start the pages")
    part.add_argument("--host", default=None)
    part.add_argument("--port", type=_INTEGER, default=None)
    part.add_argument("--data-dir", type=Path, default=None)
    part.add_argument("--no-browser", action="store_true", help="do not open the page")
    part = commands.add_parser("train", help="train an edit on a file")
    _run_options(part)
    part.add_argument("--method", default="loreft", help=f"one of {', '.join(METHODS)}")
    part.add_argument("--rank", type=_INTEGER, default=4)
    part.add_argument("--layers", default="all")
    part.add_argument("--positions", default="f7+l7")
    part.add_argument("--dropout", type=_REAL, default=0.0)
    part.add_argument("--epochs", type=_INTEGER, default=3)
    part.add_argument("--lr", type=_REAL, default=4e-3)
    part.add_argument("--batch-size", type=_INTEGER, default=8)
    part.add_argument("--reuse", choices=["all", "depth", "time", "none"], default="all",
                      help="what is kept because the base model is frozen; only the speed depends on it")  # fmt: skip
    part.add_argument("--packing", action=argparse.BooleanOptionalAction, default=True,
                      help="read rows one behind another where that gives the same; only the speed depends on it")  # fmt: skip
    part.add_argument("--keep", choices=["best", "last"], default="best",
                      help="which edit to keep: the one with the least held-out loss, or the one after the last step")  # fmt: skip
    part.add_argument("--patience", type=_INTEGER, default=None,
                      help="stop early after this many held-out measurements without a lower loss")  # fmt: skip
    part.add_argument("--seed", type=_INTEGER, default=42)
    _sweep_options(commands.add_parser("sweep", help="train one edit for each combination of what is listed, and rank them"))
    part = commands.add_parser("inspect", help="say what a file is recognised as, and what a base model can be trained on of it")
    part.add_argument("file", type=Path)
    part.add_argument("--base", default="starter", help="the base model that rows are counted for")
    part.add_argument("--max-length", type=_INTEGER, default=512, help="tokens of the longest row")
    _columns(part)
    part = commands.add_parser("chat", help="base and tuned, side by side")
    part.add_argument("dir", type=Path)
    part.add_argument("--prompt", required=True)
    part.add_argument("--system", default="", help="a system message, said before the prompt")
    part.add_argument("--strength", type=_REAL, default=1.0)
    part.add_argument("--max-new-tokens", type=_INTEGER, default=128)
    part.add_argument("--temperature", type=_REAL, default=0.0)
    part.add_argument("--seed", type=_INTEGER, default=0, help="at a temperature above 0 the same seed draws the same answers")
    part.add_argument("--json", action="store_true")
    part = commands.add_parser("evaluate", help="held-out loss and exact match, base and tuned")
    part.add_argument("dir", type=Path)
    part.add_argument("--data", type=Path, required=True)
    _columns(part)
    part = commands.add_parser("doctor", help="what this machine can run, and whether the data folder is in order")
    part.add_argument("--data-dir", type=Path, default=None)
    part.add_argument("--repair", action="store_true", help="put right what is out of order")
    part.add_argument("--json", action="store_true")
    part = commands.add_parser("backup", help="write all datasets, runs and the database into one file, while the studio runs")
    part.add_argument("file", type=Path)
    part.add_argument("--data-dir", type=Path, default=None)
    part.add_argument("--json", action="store_true")
    part = commands.add_parser("restore", help="put a backup into a new data folder")
    part.add_argument("file", type=Path)
    part.add_argument("--data-dir", type=Path, required=True)
    part.add_argument("--json", action="store_true")
    return parser


def _run_options(part: argparse.ArgumentParser) -> None:
    """What one run and a sweep of them are told alike."""
    part.add_argument("--base", default="starter")
    part.add_argument("--data", type=Path, required=True)
    part.add_argument("--out", type=Path, required=True)
    part.add_argument("--tied", action=argparse.BooleanOptionalAction, default=True)
    part.add_argument("--untied", dest="tied", action="store_false")
    part.add_argument("--max-length", type=_INTEGER, default=512)
    part.add_argument("--held-out", type=_REAL, default=0.1)
    part.add_argument("--split-seed", type=_INTEGER, default=None,
                      help="draws the held-out rows; left out, the (first) seed does: give runs that you compare the same")  # fmt: skip
    _columns(part)


def _sweep_options(part: argparse.ArgumentParser) -> None:
    from app.sweep import listed

    _run_options(part)
    for name, kind, default in (
        ("--method", str, ["loreft"]), ("--rank", _INTEGER, [4]), ("--layers", str, ["all"]), ("--positions", str, ["f7+l7"]),
        ("--lr", _REAL, [4e-3]), ("--batch-size", _INTEGER, [8]), ("--epochs", _INTEGER, [3]), ("--seed", _INTEGER, [42]),
    ):  # fmt: skip
        part.add_argument(name, type=listed(kind), default=default, help="one, or several with commas between them")


def _columns(part: argparse.ArgumentParser) -> None:
    part.add_argument("--prompt-column", default=None)
    part.add_argument("--answer-column", default=None)
    part.add_argument("--json", action="store_true")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; ``serve`` when none is named."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin while they wait are forty times slower on a busy machine
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or (given[0].startswith("-") and given[0] not in ("-h", "--help")):
        given.insert(0, "serve")
    handlers = dict(zip(COMMANDS, (serve, train, sweep, inspect, chat, evaluate, doctor, backup, restore), strict=True))
    try:
        options = _parser().parse_args(given)
        if options.command != "serve":  # which sees to it when it has begun
            signal.signal(signal.SIGINT, signal.default_int_handler)
        return handlers[options.command](options)
    except READABLE as error:
        return _refuse(str(error))
    except OSError as error:
        return _refuse(f"{error.strerror or error}: {error.filename or ''}"[:500].rstrip(": "))
    except KeyboardInterrupt:
        _note(f"reft-studio: stopped{'; the same command continues' if given[0] == 'train' else ''}.")
        return 130


if __name__ == "__main__":
    sys.exit(main())
