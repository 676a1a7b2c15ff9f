"""Checkpoints: whatever happens to the files, a run goes on from the last whole one and ends as if nothing had happened."""

import errno
import json
import os
import shutil
from hashlib import sha256

import pytest
from safetensors.torch import load, save

from reft_engine import ReftConfig, TrainConfig, train
from reft_engine.data import as_rows
from reft_engine.errors import TrainingError
from reft_engine.formats import atomic
from reft_engine.positions import EditedTokens, PositionSpec
from reft_engine.tokens.examples import EncodedExample, EncodedLabel, EncodedPreference, EncodedPrompt, as_in_checkpoints
from reft_engine.training import checkpoint
from reft_engine.training import run as training
from reft_engine.training.checkpoint import MAX_CHECKPOINTS
from reft_engine.training.events import HeldOutEvent, SavingFailedEvent, StepEvent

EDIT = ReftConfig(rank=2, positions="f2+l2", dropout=0.2)
SETTINGS = TrainConfig(epochs=2, batch_size=4, learning_rate=0.02, held_out=0.1, seed=7)


class Killed(BaseException):
    """Ends a run where nothing of it can tidy up."""


@pytest.fixture
def each_step(monkeypatch):
    """A checkpoint after every step."""
    monkeypatch.setattr(training, "_CHECKPOINT_STEPS", 1)
    monkeypatch.setattr(training, "_CHECKPOINT_PAUSE", 0.0)


def run(base, examples, folder, *, kill_at=None, settings=SETTINGS, edit=EDIT):
    events = []

    def hear(event):
        events.append(event)
        if isinstance(event, StepEvent) and event.step == kill_at:
            raise Killed

    try:
        result = train(base, examples, edit, settings, folder=folder, on_event=hear)
    except Killed:
        result = None
    return result, events


def steps(events):
    return [event.step for event in events if isinstance(event, StepEvent)]


def digest(folder):
    return sha256((folder / "adapter/reft_model.safetensors").read_bytes()).hexdigest()


def kept(folder):
    return sorted((folder / "checkpoint").glob("*.safetensors"))


@pytest.fixture(scope="module")
def undisturbed(tiny, examples, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    run(tiny, examples, folder)
    return digest(folder)


@pytest.fixture
def killed(tiny, examples, tmp_path, each_step):
    """A run that was killed in its seventh step, whose checkpoints are of the fifth and the sixth."""
    run(tiny, examples, tmp_path / "killed", kill_at=7)
    assert [int(path.name[:8]) for path in kept(tmp_path / "killed")] == [5, 6]
    return tmp_path / "killed"


def test_the_last_two_are_kept_and_named_by_step_and_content(killed):
    for path in kept(killed):
        assert path.name[9:25] == sha256(path.read_bytes()).hexdigest()[:16]
    assert len(list((killed / "checkpoint").iterdir())) == MAX_CHECKPOINTS == 2


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) * 2 // 3] ^= 1
    path.write_bytes(content)


def replace_by_a_folder(path):
    path.unlink()
    path.mkdir()


DAMAGES = {
    "cut off": cut, "a bit flipped": flip, "emptied": lambda path: path.write_bytes(b""),
    "garbage": lambda path: path.write_bytes(b"x" * 5000), "a folder": replace_by_a_folder, "gone": lambda path: path.unlink(),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_of_a_damaged_checkpoint_the_one_before_is_taken(tiny, examples, killed, undisturbed, damage):
    damage(kept(killed)[-1])
    _, events = run(tiny, examples, killed)
    assert steps(events) == list(range(6, 13))
    assert digest(killed) == undisturbed


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_where_both_are_damaged_the_run_begins_anew(tiny, examples, killed, undisturbed, damage):
    for path in kept(killed):
        damage(path)
    _, events = run(tiny, examples, killed)
    assert steps(events)[0] == 1
    assert digest(killed) == undisturbed


@pytest.mark.slow
def test_a_checkpoint_of_another_run_is_passed_over_for_ones_own(tiny, examples, killed, undisturbed, tmp_path):
    run(tiny, examples, tmp_path / "other", kill_at=11, settings=SETTINGS.model_copy(update={"seed": 8}))
    shutil.copy(kept(tmp_path / "other")[-1], killed / "checkpoint")
    _, events = run(tiny, examples, killed)
    assert steps(events)[0] == 7
    assert digest(killed) == undisturbed


@pytest.mark.slow
def test_what_an_early_version_left_is_removed_with_the_first_checkpoint(tiny, examples, killed, undisturbed):
    first, last = kept(killed)
    last.rename(killed / "checkpoint/state.safetensors")
    first.unlink()
    _, events = run(tiny, examples, killed)
    assert steps(events)[0] == 1
    assert not (killed / "checkpoint/state.safetensors").exists()
    assert digest(killed) == undisturbed


def test_a_run_that_begins_anew_throws_away_what_was_ahead_of_it(tiny, examples, killed):
    settings = SETTINGS.model_copy(update={"learning_rate": 0.01})
    _, events = run(tiny, examples, killed, kill_at=3, settings=settings)
    assert steps(events) == [1, 2, 3]
    assert [int(path.name[:8]) for path in kept(killed)] == [1, 2]


@pytest.mark.slow
@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("at", [1, 2, 3, 6, 9])
def test_killed_at_any_moment_of_writing_a_run_loses_nothing(tiny, examples, tmp_path, each_step, monkeypatch, undisturbed, call, at):
    real, count = getattr(os, call), iter(range(1, 1000))

    def kill(*given, **options):
        if next(count) == at:
            raise Killed
        return real(*given, **options)

    before = []
    with monkeypatch.context() as patch:
        if call == "replace":
            path_replace = atomic.Path.replace
            patch.setattr(atomic.Path, "replace", lambda path, target: kill_path(path, target))

            def kill_path(path, target):
                if next(count) == at:
                    raise Killed
                return path_replace(path, target)
        else:
            patch.setattr(os, call, kill)
        with pytest.raises(Killed):
            train(tiny, examples, EDIT, SETTINGS, folder=tmp_path / "killed", on_event=before.append)
    _, events = run(tiny, examples, tmp_path / "killed")
    assert steps(events)[0] >= steps(before)[-1] - 1
    assert digest(tmp_path / "killed") == undisturbed
    assert not list((tmp_path / "killed/checkpoint").glob(".writing-*"))


@pytest.mark.slow
def test_what_a_killed_writer_left_is_removed(tiny, examples, killed):
    (killed / "checkpoint/.writing-abc").write_bytes(b"half")
    run(tiny, examples, killed)
    assert [path.suffix for path in (killed / "checkpoint").iterdir()] == [".safetensors"] * 2


@pytest.mark.slow
def test_a_disk_that_is_full_for_a_while_does_not_end_a_run(tiny, examples, tmp_path, each_step, monkeypatch, undisturbed):
    real, full = checkpoint.write_atomic, [False]

    def write(path, data):
        if full[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, data)

    events = []

    def hear(event):
        events.append(event)
        if isinstance(event, StepEvent):
            full[0] = event.step in (3, 4, 5, 8)

    monkeypatch.setattr(checkpoint, "write_atomic", write)
    train(tiny, examples, EDIT, SETTINGS, folder=tmp_path, on_event=hear)
    failed = [event for event in events if isinstance(event, SavingFailedEvent)]
    assert failed == [SavingFailedEvent(3, "No space left on device"), SavingFailedEvent(8, "No space left on device")]
    assert steps(events) == list(range(1, 13))
    assert [int(path.name[:8]) for path in kept(tmp_path)] == [11, 12]
    assert digest(tmp_path) == undisturbed


@pytest.mark.slow
def test_no_checkpoint_is_written_before_it_may_be(tiny, examples, tmp_path, each_step, undisturbed):
    """Whoever writes events down can make sure that no checkpoint is ahead of them."""
    events, asked = [], []

    def may_save():
        asked.append((steps(events)[-1], [int(path.name[:8]) for path in kept(tmp_path)]))
        return steps(events)[-1] not in (3, 4)

    train(tiny, examples, EDIT, SETTINGS, folder=tmp_path, on_event=events.append, may_save=may_save)
    assert asked[:6] == [(1, []), (2, [1]), (3, [1, 2]), (4, [1, 2]), (5, [1, 2]), (6, [2, 5])]
    assert asked[-2:] == [(12, [10, 11]), (12, [11, 12])], "also before the last, and before the adapter is saved"
    assert digest(tmp_path) == undisturbed


@pytest.mark.slow
def test_numbers_that_are_none_are_never_kept(tiny, examples, tmp_path, each_step, undisturbed, monkeypatch):
    real = training.train_step
    with monkeypatch.context() as patch:
        patch.setattr(training, "train_step", lambda states: [TrainingError("no number")] if states[0].step == 6 else real(states))
        with pytest.raises(TrainingError):
            train(tiny, examples, EDIT, SETTINGS, folder=tmp_path / "run")
    _, events = run(tiny, examples, tmp_path / "run")
    assert steps(events) == list(range(7, 13))
    assert digest(tmp_path / "run") == undisturbed


@pytest.mark.slow
def test_a_run_that_goes_on_is_not_measured_where_it_was_before(tiny, examples, killed):
    result, events = run(tiny, examples, killed)
    looks = [event.step for event in events if isinstance(event, HeldOutEvent)]
    assert looks and looks[0] > 6 and looks[-1] == 12
    assert result.held_out_base is not None and result.held_out_tuned is not None


@pytest.mark.slow
@pytest.mark.parametrize("change", [{"pass_tokens": 40}, {"gradient_checkpointing": True}, {"reuse": "none"}, {"reuse_memory_mb": 0}])
def test_with_settings_that_only_cost_otherwise_a_run_goes_on(tiny, examples, each_step, tmp_path, change):
    edit = EDIT.model_copy(update={"dropout": 0.0})  # drawn pass by pass, so that other passes draw otherwise
    whole, _ = run(tiny, examples, tmp_path / "whole", edit=edit)
    run(tiny, examples, tmp_path / "killed", kill_at=7, edit=edit)
    result, events = run(tiny, examples, tmp_path / "killed", settings=SETTINGS.model_copy(update=change), edit=edit)
    assert steps(events)[0] == 7
    ours, theirs = result.reft.tensors(), whole.reft.tensors()
    assert all((ours[name] - theirs[name]).abs().max() < 1e-4 for name in theirs)


def test_when_a_checkpoint_is_due(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(training, "now", lambda: now[0])
    clock = training._Clock(0.0, 0)

    def due(step, seconds):
        now[0] = seconds
        if found := clock.checkpoint_due(step):
            clock.saved(step)
        return found

    assert not due(500, 0.9), "not sooner than after a second"
    assert due(501, 1.0)
    assert not due(600, 4.0) and due(601, 4.0), "after a hundred steps"
    assert not due(610, 8.9) and due(611, 9.0), "or after five seconds"


# --- the best edit so far


OVERFITS = SETTINGS.model_copy(update={"epochs": 12, "held_out": 0.25, "learning_rate": 0.05})


PLAIN = EDIT.model_copy(update={"dropout": 0.0})


@pytest.fixture(scope="module")
def unlearnable():
    """Rows whose answers do not follow from their prompts: the best edit is an early one."""
    return as_rows([(f"Say the {n}th word.", f"{(n * 7919) % 97} {(n * 104729) % 89}") for n in range(24)])


@pytest.fixture(scope="module")
def overfitted(tiny, unlearnable, tmp_path_factory):
    """An undisturbed run whose best edit is neither the first nor the last: its result, its events and its folder."""
    folder = tmp_path_factory.mktemp("overfitted")
    result, events = run(tiny, unlearnable, folder, settings=OVERFITS, edit=PLAIN)
    assert 0 < result.best_step < result.steps  # else nothing is shown
    return result, events, folder


def keeps_the_same_edit(tiny, unlearnable, overfitted, folder, kill_at):
    whole, events, undisturbed = overfitted
    run(tiny, unlearnable, folder, settings=OVERFITS, edit=PLAIN, kill_at=kill_at)
    result, later = run(tiny, unlearnable, folder, settings=OVERFITS, edit=PLAIN)
    assert (result.best_step, result.held_out_tuned, result.evidence) == (whole.best_step, whole.held_out_tuned, whole.evidence)
    assert digest(folder) == digest(undisturbed)
    looks, again = ([(event.step, event.loss) for event in each if isinstance(event, HeldOutEvent)] for each in (events, later))
    begins_at = kill_at if kill_at > 1 else 0  # killed in its first step it has no checkpoint, so it is measured anew from step 0
    return again == [look for look in looks if look[0] >= begins_at]


@pytest.mark.slow
@pytest.mark.parametrize("at", ["in its second step", "before the best step", "after the best step", "in its last step"])
def test_a_run_that_is_killed_anywhere_keeps_the_same_edit(tiny, unlearnable, overfitted, tmp_path, each_step, at):
    best, last = overfitted[0].best_step, overfitted[0].steps
    kill_at = {"in its second step": 2, "before the best step": best - 1, "after the best step": best + 1, "in its last step": last}[at]
    assert keeps_the_same_edit(tiny, unlearnable, overfitted, tmp_path, kill_at)


@pytest.mark.long
def test_a_run_that_is_killed_in_any_of_its_steps_keeps_the_same_edit(tiny, unlearnable, overfitted, tmp_path, each_step):
    for kill_at in range(1, overfitted[0].steps + 1):
        assert keeps_the_same_edit(tiny, unlearnable, overfitted, tmp_path / str(kill_at), kill_at), kill_at


@pytest.mark.slow
@pytest.mark.parametrize("stop_at", [1, 7, 23])
def test_a_run_that_was_stopped_between_two_measurements_goes_on_as_if_it_had_not_been(tiny, unlearnable, overfitted, tmp_path, stop_at):
    whole, _, undisturbed = overfitted
    asked = iter(range(99))
    stopped = train(tiny, unlearnable, PLAIN, OVERFITS, folder=tmp_path, should_stop=lambda: next(asked) >= stop_at)
    assert stopped.stopped and stopped.steps == stop_at and stopped.best_step is not None
    result, _ = run(tiny, unlearnable, tmp_path, settings=OVERFITS, edit=PLAIN)
    assert result.evidence == whole.evidence
    assert digest(tmp_path) == digest(undisturbed)


@pytest.mark.slow
def test_a_checkpoint_of_the_version_before_goes_on(tiny, examples, killed, undisturbed):
    """It knows nothing of a best edit; the best of what is still measured is kept."""
    for path in kept(killed):
        content = load(path.read_bytes())
        meta = checkpoint._metadata(path.read_bytes())
        place = {name: json.loads(meta["place"])[name] for name in ("step", "seconds", "loss_first", "loss_last")}
        tensors = {name: value for name, value in content.items() if not name.startswith("best.")}
        data = save(tensors, metadata={**meta, "place": json.dumps(place)})
        path.unlink()
        (path.parent / f"{path.name[:8]}-{sha256(data).hexdigest()[:16]}.safetensors").write_bytes(data)
    result, events = run(tiny, examples, killed)
    assert steps(events) == list(range(7, 13)) and result.best_step >= 7


@pytest.mark.slow
def test_which_edit_is_kept_can_be_decided_later(tiny, unlearnable, tmp_path, each_step):
    run(tiny, unlearnable, tmp_path, settings=OVERFITS, edit=PLAIN, kill_at=30)
    result, events = run(tiny, unlearnable, tmp_path, settings=OVERFITS.model_copy(update={"keep": "last"}), edit=PLAIN)
    assert steps(events)[0] == 30 and result.best_step and result.kept == "last"


# --- which run a checkpoint is of

WRITTEN = "EncodedExample(prompt_ids=(4, 5), answer_ids=(6,), line=7, cut=True, marked=(), second=0)"
"""What the first versions' own ``repr`` wrote: checkpoints of theirs hold the digest of it."""


@pytest.mark.parametrize(
    ("rule", "row", "text"),
    [
        ("f1+l1", EncodedExample((4, 5), (6,), 7, True, EditedTokens((0,), (1,))), WRITTEN),
        ("all", EncodedExample((4, 5), (6,), 7, True, EditedTokens((0, 1))), WRITTEN),
        ("marked", EncodedExample((4, 5), (6,), 7, True, EditedTokens((1,))), WRITTEN.replace("marked=()", "marked=(1,)")),
        (
            "marked",
            EncodedPreference(*(EncodedExample((4, 5), (6,), 7, True, edited) for edited in (EditedTokens((1,)), EditedTokens()))),
            f"EncodedPreference(chosen={WRITTEN.replace('marked=()', 'marked=(1,)')}, rejected={WRITTEN})",
        ),
        (
            "l1",
            EncodedLabel(EncodedPrompt((4, 5), EditedTokens((), (1,)), 1, cut=True), 0, 9),
            "EncodedLabel(prompt=EncodedPrompt(ids=(4, 5), marked=(), second=1, cut=True), label=0, line=9)",
        ),
        (
            "marked",
            EncodedLabel(EncodedPrompt((4, 5, 6), EditedTokens((0, 2))), 1, 9),
            "EncodedLabel(prompt=EncodedPrompt(ids=(4, 5, 6), marked=(0, 2), second=0, cut=False), label=1, line=9)",
        ),
    ],
)
def test_rows_are_known_again_by_the_words_of_the_first_version(rule, row, text):
    assert as_in_checkpoints(row, PositionSpec.parse(rule)) == text
