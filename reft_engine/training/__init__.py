"""Training: the loop, objectives, checkpoints, events, evaluation and the verdict."""

from typing import TYPE_CHECKING

from reft_engine.exports import lazy_names

if TYPE_CHECKING:
    from reft_engine.training.checkpoint import is_damaged
    from reft_engine.training.estimate import Probe, probe
    from reft_engine.training.evaluation import evaluate
    from reft_engine.training.events import (
        HeldOutEvent,
        PhaseEvent,
        ReuseEvent,
        RowsEvent,
        SampleEvent,
        SavingFailedEvent,
        StepEvent,
        TrainEvent,
    )
    from reft_engine.training.objectives import Objective, objective_for
    from reft_engine.training.row_check import Checked, check_rows, count_rows, read_checked
    from reft_engine.training.rows import ReadRow, read_rows
    from reft_engine.training.run import TrainResult, train, train_many
    from reft_engine.training.schedule import MAX_MEASUREMENTS, MIN_MEASUREMENTS, SAMPLE_TOKENS, measuring_budget
    from reft_engine.training.smoothing import Smoothed
    from reft_engine.training.verdict import FEW, Evidence, Score, Verdict, judge, wilson

__all__ = [
    "FEW",
    "MAX_MEASUREMENTS",
    "MIN_MEASUREMENTS",
    "SAMPLE_TOKENS",
    "Checked",
    "Evidence",
    "HeldOutEvent",
    "Objective",
    "PhaseEvent",
    "Probe",
    "ReadRow",
    "ReuseEvent",
    "RowsEvent",
    "SampleEvent",
    "SavingFailedEvent",
    "Score",
    "Smoothed",
    "StepEvent",
    "TrainEvent",
    "TrainResult",
    "Verdict",
    "check_rows",
    "count_rows",
    "evaluate",
    "is_damaged",
    "judge",
    "measuring_budget",
    "objective_for",
    "probe",
    "read_checked",
    "read_rows",
    "train",
    "train_many",
    "wilson",
]

__getattr__ = lazy_names(__name__, {
    "checkpoint": ["is_damaged"],
    "estimate": ["Probe", "probe"],
    "evaluation": ["evaluate"],
    "events": ["HeldOutEvent", "PhaseEvent", "ReuseEvent", "RowsEvent", "SampleEvent", "SavingFailedEvent", "StepEvent", "TrainEvent"],
    "objectives": ["Objective", "objective_for"],
    "row_check": ["Checked", "check_rows", "count_rows", "read_checked"],
    "rows": ["ReadRow", "read_rows"],
    "schedule": ["MIN_MEASUREMENTS", "MAX_MEASUREMENTS", "SAMPLE_TOKENS", "measuring_budget"],
    "smoothing": ["Smoothed"],
    "run": ["TrainResult", "train", "train_many"],
    "verdict": ["FEW", "Evidence", "Score", "Verdict", "judge", "wilson"],
})  # fmt: skip
