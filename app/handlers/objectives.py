"""What a run learns from its rows: which objectives a dataset offers, and the settings that stand for each."""

from typing import Any, Literal, get_args

from app.words import say
from reft_engine.data import Outline

Objective = Literal["answers", "labels", "pairs", "preferred", "text"]
OBJECTIVES: tuple[Objective, ...] = get_args(Objective)


def offered(rows: Outline, *, is_encoder: bool = False) -> tuple[Objective, ...]:
    """The objectives that suit rows; the first is the usual one."""
    if is_encoder:
        return ("labels",)
    if rows.learns == "pairs":
        return ("pairs", "preferred")
    if rows.learns == "text":
        return ("text",)
    return ("answers", "labels") if rows.labels else ("answers",)


def objective_of(rows: Outline, labels: Any, pairs: Any) -> Objective:
    """The objective that the settings ``labels`` and ``pairs`` stand for."""
    if rows.learns == "pairs":
        return "preferred" if pairs == "preferred" else "pairs"
    if labels:
        return "labels"
    return "text" if rows.learns == "text" else "answers"


def settings_of(objective: Any, rows: Outline, labels: Any) -> dict[str, Any]:
    """The settings that stand for an objective, as the form holds them; labels that are named already stay."""
    if objective not in OBJECTIVES:
        return {}
    names = (labels or ", ".join(rows.labels)) if objective == "labels" else ""
    return {"labels": names, "pairs": "preferred" if objective == "preferred" else "compare"}


def title(objective: Objective) -> str:
    """What an objective is called."""
    return {
        "answers": say("objectives.answers"), "labels": say("objectives.labels"), "pairs": say("objectives.pairs"),
        "preferred": say("objectives.preferred"), "text": say("objectives.text"),
    }[objective]  # fmt: skip


def sentence(objective: Objective, rows: Outline) -> str:
    """What a run with this objective learns, in one sentence."""
    return {
        "answers": lambda: say("objectives.answers_sentence"),
        "labels": lambda: say("objectives.labels_sentence", count=len(rows.labels)) if rows.labels else say("objectives.no_labels"),
        "pairs": lambda: say("objectives.pairs_sentence"),
        "preferred": lambda: say("objectives.preferred_sentence"),
        "text": lambda: say("objectives.text_sentence"),
    }[objective]()
