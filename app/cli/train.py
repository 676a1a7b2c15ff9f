"""``reft-studio train``: one run; the same command resumes it."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.cli.flags import spec_of
from app.cli.output import finish, note, tell
from app.cli.rows import data_part, note_rows, rows_of
from app.errors import StudioError
from app.run_texts import RunFile
from app.words import say
from reft_engine import RunSpec, all_settings

if TYPE_CHECKING:
    from reft_engine.data import Inspection, RowCheck


def train(options: argparse.Namespace) -> int:
    """Train an edit; with the same arguments again it resumes the run, or leaves a finished one as it is."""
    spec = spec_of(options)
    out: Path = options.out
    if out.exists() and not out.is_dir():
        raise StudioError(say("cli.train.out", path=out))
    inspection = rows_of(options)
    record = out / "run.json"
    earlier = _earlier(record, spec, options.data)
    if earlier and (out / "adapter").is_dir():
        tell(options, say("cli.train.finished"))
        finish(options, {**earlier["result"], "adapter": str(out / "adapter")})
        return 0
    return _train(options, spec, inspection, record, earlier)


def _earlier(record: Path, spec: RunSpec, data: Path) -> dict[str, Any]:
    """The record of the run in this folder; empty if there is none. Raises StudioError if it is another run."""
    if not record.is_file():
        return {}
    try:
        earlier = dict(json.loads(record.read_text(encoding="utf-8")))
        fingerprint, earlier["result"] = earlier["fingerprint"], dict(earlier.get("result", {}))
    except (ValueError, TypeError, KeyError) as error:
        raise StudioError(say("cli.train.damaged", file=record)) from error
    # Its run.yaml names the commit and the precision that the run began with, of which either may not have been asked for.
    began_with = [name for name in ("revision", "precision") if getattr(spec, name) == earlier.get(name)]
    asked = [spec.model_copy(update=dict.fromkeys(names)) for names in ([], began_with, *([name] for name in began_with))]
    if fingerprint not in [_fingerprint(_settings(each), data) for each in asked]:
        raise StudioError(say("cli.train.another", folder=record.parent))
    return earlier


_FIRST = {
    "base", "revision", "method", "rank", "layers", "positions", "tied", "dropout", "activation", "identity_init", "labels",
    "pooling", "epochs", "learning_rate", "head_learning_rate", "batch_size", "gradient_accumulation", "warmup_ratio",
    "weight_decay", "max_grad_norm", "max_length", "answer_tokens", "preference_beta", "gradient_checkpointing", "pass_tokens",
    "packing", "reuse", "reuse_memory_mb", "reuse_disk_mb", "held_out", "seed",
}  # fmt: skip
"""The settings of the first version."""


def _settings(spec: RunSpec) -> dict[str, Any]:
    """The settings that distinguish runs; later settings only where not at their defaults, so that earlier folders resume."""
    values = {**spec.model_dump(mode="json"), "mapping": None}  # which specs of earlier versions held
    for row in all_settings():
        section = values.get(row.section, {}) if row.section else values
        if row.name not in _FIRST and row.name in section and section[row.name] == row.default:
            del section[row.name]
    return values


def _fingerprint(spec: dict[str, Any], data: Path) -> str:
    import hashlib

    return hashlib.sha256(json.dumps(spec, sort_keys=True).encode() + data.read_bytes()).hexdigest()


def _train(options: argparse.Namespace, spec: RunSpec, inspection: "Inspection", record: Path, earlier: dict[str, Any]) -> int:
    from app.handlers.verdict import sentences
    from reft_engine import load_base, load_options
    from reft_engine import train as run
    from reft_engine.formats import write_atomic
    from reft_engine.training import HeldOutEvent, ReuseEvent, RowsEvent, StepEvent

    precision = load_options(spec.precision or earlier.get("precision"))
    base = load_base(spec.base, revision=earlier.get("revision") or spec.revision, **precision)
    fingerprint = earlier.get("fingerprint") or _fingerprint(_settings(spec), options.data)
    began_with = {"revision": base.revision, "precision": base.precision}
    header = {"fingerprint": fingerprint, **began_with}
    row_checks: list[RowCheck] = []

    def begin(_reft: Any) -> None:
        """Write the folder's record, since the run can start now."""
        write_atomic(record, json.dumps(header).encode())
        described = RunFile(spec.model_copy(update=began_with), data_part(options, inspection))
        write_atomic(record.with_name("run.yaml"), described.to_yaml().encode())
        for check in row_checks:
            note_rows(inspection, check.run_sentence, check)

    def show(event: Any) -> None:
        if isinstance(event, RowsEvent):
            row_checks.append(event.check)
        elif isinstance(event, StepEvent) and (event.step % 10 == 0 or event.step == event.total_steps):
            note(say("cli.train.step", step=event.step, total=event.total_steps, loss=event.loss, seconds=event.seconds_left))
        elif isinstance(event, HeldOutEvent):
            right = say("cli.train.right", right=event.right, rows=event.rows, base=event.right_base)
            note(say("cli.train.held_out", step=event.step, loss=event.loss, base=event.loss_base, right=right))
        elif isinstance(event, ReuseEvent):
            note(event.sentence)

    result = run(
        base, inspection.examples, spec.trained, spec.train, folder=options.out, file_rows=inspection.rows, on_event=show, on_ready=begin
    )  # fmt: skip
    values = {"adapter": str(result.adapter), **result.summary()}
    write_atomic(record, json.dumps({**header, "result": values}).encode())
    if result.stopped_early:
        note(say("cli.train.stopped_early", step=result.steps, patience=spec.train.patience))
    for sentence in sentences(result.evidence, result.verdict):
        tell(options, sentence)
    size = sum(path.stat().st_size for path in Path(str(result.adapter)).iterdir())
    tell(options, say("cli.train.written", count=result.reft.trainable_parameters, size=size / 1000, folder=result.adapter))
    finish(options, values)
    return 0
