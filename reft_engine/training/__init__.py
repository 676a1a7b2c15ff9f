"""Training: the loop, objectives, checkpoints, events, evaluation and the verdict."""

from typing import TYPE_CHECKING

from reft_engine.exports import lazy_names

if TYPE_CHECKING:
    from reft_engine.training.changes import measure_changes
    from reft_engine.training.checkpoint import is_damaged
    from reft_engine.training.estimate import Probe, RunEstimate, estimate_run, probe, put_together
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
    from reft_engine.training.found_rates import RATE_STEPS, RATES, RatesFound, RateTrial, best_rate
    from reft_engine.training.kept_steps import damaged_steps, load_step
    from reft_engine.training.looked_at import ChangedToken, Changes, LayerChange, MovedPrompt, PlaceChange, Regression
    from reft_engine.training.memory import Peak, available_memory, peak_memory, used_memory
    from reft_engine.training.objectives import Objective, objective_for
    from reft_engine.training.rates import find_rate
    from reft_engine.training.regression import measure_regression, unrelated_prompts
    from reft_engine.training.row_check import Checked, check_rows, count_rows, read_checked
    from reft_engine.training.rows import ReadRow, read_rows
    from reft_engine.training.run import Followed, GroupMember, TrainResult, train, train_group, train_many
    from reft_engine.training.run_layout import PASS_TOKENS_CPU, PASS_TOKENS_ELSEWHERE, SizedRun
    from reft_engine.training.schedule import MAX_MEASUREMENTS, MIN_MEASUREMENTS, SAMPLE_TOKENS, measuring_budget
    from reft_engine.training.smoothing import Smoothed
    from reft_engine.training.verdict import FEW, Evidence, Score, Verdict, judge, wilson

__all__ = [
    "FEW",
    "MAX_MEASUREMENTS",
    "MIN_MEASUREMENTS",
    "PASS_TOKENS_CPU",
    "PASS_TOKENS_ELSEWHERE",
    "RATES",
    "RATE_STEPS",
    "SAMPLE_TOKENS",
    "ChangedToken",
    "Changes",
    "Checked",
    "Evidence",
    "Followed",
    "GroupMember",
    "HeldOutEvent",
    "LayerChange",
    "MovedPrompt",
    "Objective",
    "Peak",
    "PhaseEvent",
    "PlaceChange",
    "Probe",
    "RateTrial",
    "RatesFound",
    "ReadRow",
    "Regression",
    "ReuseEvent",
    "RowsEvent",
    "RunEstimate",
    "SampleEvent",
    "SavingFailedEvent",
    "Score",
    "SizedRun",
    "Smoothed",
    "StepEvent",
    "TrainEvent",
    "TrainResult",
    "Verdict",
    "available_memory",
    "best_rate",
    "check_rows",
    "count_rows",
    "damaged_steps",
    "estimate_run",
    "evaluate",
    "find_rate",
    "is_damaged",
    "judge",
    "load_step",
    "measure_changes",
    "measure_regression",
    "measuring_budget",
    "objective_for",
    "peak_memory",
    "probe",
    "put_together",
    "read_checked",
    "read_rows",
    "train",
    "train_group",
    "train_many",
    "unrelated_prompts",
    "used_memory",
    "wilson",
]

__getattr__ = lazy_names(__name__, {
    "changes": ["measure_changes"],
    "checkpoint": ["is_damaged"],
    "estimate": ["Probe", "RunEstimate", "estimate_run", "probe", "put_together"],
    "evaluation": ["evaluate"],
    "events": ["HeldOutEvent", "PhaseEvent", "ReuseEvent", "RowsEvent", "SampleEvent", "SavingFailedEvent", "StepEvent", "TrainEvent"],
    "found_rates": ["RATES", "RATE_STEPS", "RateTrial", "RatesFound", "best_rate"],
    "kept_steps": ["damaged_steps", "load_step"],
    "looked_at": ["ChangedToken", "Changes", "LayerChange", "MovedPrompt", "PlaceChange", "Regression"],
    "memory": ["Peak", "available_memory", "peak_memory", "used_memory"],
    "objectives": ["Objective", "objective_for"],
    "rates": ["find_rate"],
    "regression": ["measure_regression", "unrelated_prompts"],
    "row_check": ["Checked", "check_rows", "count_rows", "read_checked"],
    "rows": ["ReadRow", "read_rows"],
    "schedule": ["MIN_MEASUREMENTS", "MAX_MEASUREMENTS", "SAMPLE_TOKENS", "measuring_budget"],
    "smoothing": ["Smoothed"],
    "run_layout": ["PASS_TOKENS_CPU", "PASS_TOKENS_ELSEWHERE", "SizedRun"],
    "run": ["Followed", "GroupMember", "TrainResult", "train", "train_group", "train_many"],
    "verdict": ["FEW", "Evidence", "Score", "Verdict", "judge", "wilson"],
})  # fmt: skip
