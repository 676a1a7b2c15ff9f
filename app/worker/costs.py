"""What a column without training has cost, as figures and in sentences: rows in the prompt, and rows that are looked up."""

from dataclasses import asdict
from typing import Any

from app.words import say
from app.worker.instant import Instant
from app.worker.shots import Shots

Line = dict[str, Any]


def cost_of_shots(shown: Shots, line: Line) -> Line:
    """The figures of a few-shot column beside its answer's ``prompt_tokens``, ``read`` and ``seconds``, and ``told``, the same in words."""
    kept = bool(shown.rows) and line["read"] <= shown.after_tokens
    figures = {
        "rows": [asdict(row) for row in shown.rows], "left_out": shown.left_out, "refused": shown.refused, "altered": shown.altered,
        "tokens": shown.shot_tokens, "bytes": shown.cache_bytes, "pays_off_after": shown.pays_off_after,
        "kept": kept,
    }  # fmt: skip
    return {"shots": figures, "told": _shots_told(shown, line, kept)}


def _shots_told(shown: Shots, line: Line, kept: bool) -> str:
    tokens = say("playground.cost.tokens", count=line["prompt_tokens"])
    sentences = [
        say("playground.cost.shots", count=len(shown.rows), tokens=tokens, read=line["read"], seconds=f"{line['seconds']:.2f}"),
        _some("no_room", shown.left_out),
        _some("not_shown", shown.refused),
        _some("altered", shown.altered),
    ]
    if shown.cache_bytes is None and shown.rows:
        sentences.append(say("playground.cost.memory_unknown"))
    elif shown.cache_bytes:
        sentences.append(say("playground.cost.memory", mb=_megabytes(shown.cache_bytes)))
    if kept:
        sentences.append(say("playground.cost.kept"))
    elif shown.pays_off_after:
        sentences.append(say("playground.cost.pays_off", count=shown.pays_off_after))
    return " ".join(filter(None, sentences))


def cost_of_store(found: Instant) -> Line:
    """The figures of an instant column, the rows that weighed most in its answer, and ``told``, the same in words."""
    chosen = found.chosen
    figures = {
        "why": [asdict(row) for row in found.why()], "blend": found.blend, "keys": found.keys, "rows": found.rows,
        "no_room": found.no_room, "too_long": found.too_long, "refused": found.refused, "bytes": found.nbytes, "seconds": found.seconds,
        "labels": found.of_labels, "was_chosen": found.was_chosen, "chosen": chosen and {
            "rows": chosen.rows, "right": chosen.best.right, "base_right": chosen.base.right, "base_is_best": chosen.base_is_best,
        },
    }  # fmt: skip
    return {"store": figures, "told": _store_told(found)}


def _store_told(found: Instant) -> str:
    if found.adjust is None:
        return say("playground.cost.no_store")
    mb, seconds, blend = _megabytes(found.nbytes), f"{found.seconds:.1f}", f"{found.blend:g}"
    sentences = [
        say("playground.cost.store", count=found.rows, mb=mb, seconds=seconds, blend=blend),
        _some("no_room", found.no_room),
        say("playground.cost.too_long", count=found.too_long, most=found.longest) if found.too_long else "",
        _some("not_read", found.refused),
    ]
    if found.was_chosen:
        sentences += _choice_told(found)
    if not found.of_labels:
        sentences.append(say("playground.cost.experimental"))
    return " ".join(filter(None, sentences))


def _choice_told(found: Instant) -> list[str]:
    """Who chose the blend, and how well it and the base model alone did on those rows."""
    chosen = found.chosen
    if chosen is None:
        return [say("playground.cost.not_chosen")]
    told = [say("playground.cost.chosen", count=chosen.rows, right=chosen.best.right, base=chosen.base.right)]
    return told + ([say("playground.cost.base_is_best")] if chosen.base_is_best else [])


def _some(key: str, count: int) -> str:
    """A sentence about so many rows, if there are any."""
    return say(f"playground.cost.some.{key}", count=count) if count else ""


def _megabytes(count: int) -> str:
    """Bytes in MB, never as 0."""
    return f"{max(count / 1e6, 0.01):,.2f}"
