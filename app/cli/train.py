"""``reft-studio train``: one run, which the same command continues."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.cli.output import finish, note, tell
from app.cli.rows import note_rows, rows_of
from app.cli.settings import spec_of
from app.errors import StudioError
from reft_engine import RunSpec, all_settings

if TYPE_CHECKING:
    from reft_engine.data import Inspection, RowCheck


def train(options: argparse.Namespace) -> int:
    """Train an edit; again with the same arguments it continues or leaves a finished run alone."""
    spec = spec_of(options)
    out: Path = options.out
    if out.exists() and not out.is_dir():
        raise StudioError(f"{out} is a file; --out names a folder.")
    found = rows_of(options)
    record = out / "run.json"
    earlier = _earlier(record, spec, options.data)
    if earlier and (out / "adapter").is_dir():
        tell(options, "This run is finished already; nothing was done.")
        finish(options, {**earlier["result"], "adapter": str(out / "adapter")})
        return 0
    return _train(options, spec, found, record, earlier)


def _earlier(record: Path, spec: RunSpec, data: Path) -> dict[str, Any]:
    """What the folder says of the run that it holds; empty when there is none yet."""
    if not record.is_file():
        return {}
    try:
        earlier = dict(json.loads(record.read_text(encoding="utf-8")))
        fingerprint, earlier["result"] = earlier["fingerprint"], dict(earlier.get("result", {}))
    except (ValueError, TypeError, KeyError) as error:
        raise StudioError(f"{record} is damaged; choose another --out or remove the folder.") from error
    # Its run.yaml names the commit that the run began with.
    same = spec.model_copy(update={"revision": None}) if spec.revision == earlier.get("revision") else spec
    if fingerprint not in [_fingerprint(_settings(each), data) for each in (spec, same)]:
        raise StudioError(f"{record.parent} holds a run with other settings or data; choose another --out or remove the folder.")
    return earlier


_FIRST = set(
    "base revision method rank layers positions tied dropout activation identity_init labels pooling epochs learning_rate "
    "head_learning_rate batch_size gradient_accumulation warmup_ratio weight_decay max_grad_norm max_length answer_tokens preference_beta "
    "gradient_checkpointing pass_tokens packing reuse reuse_memory_mb reuse_disk_mb held_out seed".split()
)
"""The settings of the first version."""


def _settings(spec: RunSpec) -> dict[str, Any]:
    """The settings that tell runs apart; later ones only where they were given, so that folders of earlier versions go on."""
    values = {**spec.model_dump(mode="json"), "mapping": None}  # which specs of earlier versions held
    for row in all_settings():
        section = values.get(row.section, {}) if row.section else values
        if row.name not in _FIRST and row.name in section and section[row.name] == row.default:
            del section[row.name]
    return values


def _fingerprint(spec: dict[str, Any], data: Path) -> str:
    import hashlib

    return hashlib.sha256(json.dumps(spec, sort_keys=True).encode() + data.read_bytes()).hexdigest()


def _train(options: argparse.Namespace, spec: RunSpec, found: "Inspection", record: Path, earlier: dict[str, Any]) -> int:
    from app.handlers.verdict import sentences
    from reft_engine import load_base
    from reft_engine import train as run
    from reft_engine.formats import write_atomic
    from reft_engine.training import HeldOutEvent, ReuseEvent, RowsEvent, StepEvent

    base = load_base(spec.base, revision=earlier.get("revision") or spec.revision)
    wanted = earlier.get("fingerprint") or _fingerprint(_settings(spec), options.data)
    taken = {"fingerprint": wanted, "revision": base.revision}
    checked: list[RowCheck] = []

    def begin(_reft: Any) -> None:
        """Take the folder, now that nothing speaks against the run any more."""
        write_atomic(record, json.dumps(taken).encode())
        write_atomic(record.with_name("run.yaml"), spec.model_copy(update={"revision": base.revision}).to_yaml().encode())
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
    tell(options, f"{result.reft.trainable_parameters:,} trained parameters, {size / 1000:,.0f} kB, written to {result.adapter}")
    finish(options, values)
    return 0
