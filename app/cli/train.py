"""``reft-studio train``: one run, which the same command continues."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.cli.output import finish, note, tell
from app.cli.rows import note_rows, rows_of
from app.errors import StudioError

if TYPE_CHECKING:
    from reft_engine import PeftConfig, ReftConfig, RunSpec
    from reft_engine.data import Inspection, RowCheck


def train(options: argparse.Namespace) -> int:
    """Train an edit; again with the same arguments it continues or leaves a finished run alone."""
    from reft_engine import RunSpec, TrainConfig

    spec = RunSpec(
        base=options.base,
        **_trained(options),
        train=TrainConfig(
            epochs=options.epochs, learning_rate=options.lr, batch_size=options.batch_size, seed=options.seed,
            max_length=options.max_length, held_out=options.held_out, reuse=options.reuse, packing=options.packing,
            keep=options.keep, patience=options.patience, split_seed=options.split_seed,
        ),
    )  # fmt: skip
    out: Path = options.out
    if out.exists() and not out.is_dir():
        raise StudioError(f"{out} is a file; --out names a folder.")
    found = rows_of(options)
    record, wanted = out / "run.json", _fingerprint(_settings(spec), options.data)
    earlier = _earlier(record, wanted)
    if earlier and (out / "adapter").is_dir():
        tell(options, "This run is finished already; nothing was done.")
        finish(options, {**earlier["result"], "adapter": str(out / "adapter")})
        return 0
    return _train(options, spec, found, record, wanted, earlier.get("revision"))


def _trained(options: argparse.Namespace) -> "dict[str, ReftConfig | PeftConfig]":
    """What is trained, under the name that it has in the spec."""
    from reft_engine import BASELINES, PeftConfig, ReftConfig

    method = BASELINES.get(options.method)
    if method is None:
        reft = ReftConfig(
            method=options.method, rank=options.rank, layers=options.layers, positions=options.positions, tied=options.tied,
            dropout=options.dropout,
        )  # fmt: skip
        return {"reft": reft}
    usual = ReftConfig()
    if options.layers != usual.layers or options.positions != usual.positions or options.tied != usual.tied:
        raise StudioError(f"{method.title} changes the whole model; --layers, --positions and --untied are of edits alone.")
    size = {method.size: options.rank} if method.size else {}
    return {"peft": PeftConfig.read({"method": method.name, "dropout": options.dropout, **size})}


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
    values = {**spec.model_dump(mode="json"), "mapping": None}  # which specs of earlier versions held
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
    from reft_engine.formats import write_atomic
    from reft_engine.training import HeldOutEvent, ReuseEvent, RowsEvent, StepEvent

    base = load_base(spec.base, revision=revision)
    taken = {"fingerprint": wanted, "revision": base.revision}
    checked: list[RowCheck] = []

    def begin(_reft: Any) -> None:
        """Take the folder, now that nothing speaks against the run any more."""
        write_atomic(record, json.dumps(taken).encode())
        for check in checked:
            note_rows(found, check.run_sentence, check)

    def show(event: Any) -> None:
        if isinstance(event, RowsEvent):
            checked.append(event.check)
        elif isinstance(event, StepEvent) and (event.step % 10 == 0 or event.step == event.total_steps):
            note(f"step {event.step}/{event.total_steps}  loss {event.loss:.4f}  {event.seconds_left:.0f} s left")
        elif isinstance(event, HeldOutEvent):
            right = f"{event.right:,} of {event.rows:,} right (base {event.right_base:,})"
            note(f"step {event.step}  held-out loss {event.loss:.4f} (base {event.loss_base:.4f}), {right}")
        elif isinstance(event, ReuseEvent):
            note(event.sentence)

    result = run(base, found.examples, spec.trained, spec.train, folder=options.out, file_rows=found.rows, on_event=show, on_ready=begin)
    values = {"adapter": str(result.adapter), **result.summary()}
    write_atomic(record, json.dumps({**taken, "result": values}).encode())
    if result.stopped_early:
        note(f"Stopped early after step {result.steps:,}: the held-out loss had not fallen for {spec.train.patience} measurements.")
    for sentence in sentences(result.evidence, result.verdict):
        tell(options, sentence)
    size = sum(path.stat().st_size for path in Path(str(result.adapter)).iterdir())
    tell(options, f"{result.reft.trainable_parameters:,} trained numbers, {size / 1000:,.0f} kB, written to {result.adapter}")
    finish(options, values)
    return 0
