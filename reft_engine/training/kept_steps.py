"""What a run had learned at earlier steps, kept so that one can see how it came to answer as it does.

A file holds the trained tensors, as `Trainable.state_dict` gives them; see `formats.steps` for the folder. It holds a few of them, spread
over the run; a later attempt at the same step writes the same file again.
"""

from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save

from reft_engine.base.loading import Base
from reft_engine.errors import AdapterError
from reft_engine.formats.atomic import write_atomic
from reft_engine.formats.steps import kept_steps, step_file
from reft_engine.plain_files import check_plain
from reft_engine.spec import MethodConfig
from reft_engine.trainable import Trainable, make_trainable

MAX_STEPS = 8
"""Files in a folder."""


def keep_step(folder: Path, reft: Trainable, step: int) -> None:
    """Keep what is learned at a step, and drop another one if there are more than `MAX_STEPS`. Raises OSError."""
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in reft.state_dict().items()}
    write_atomic(step_file(folder, step), save(tensors))
    steps = kept_steps(folder)
    while len(steps) > MAX_STEPS:
        # The one whose neighbours are nearest to each other, so that those that stay are spread; never the first or the last.
        spare = min(range(1, len(steps) - 1), key=lambda at: steps[at + 1] - steps[at - 1])
        step_file(folder, steps.pop(spare)).unlink(missing_ok=True)


def drop_steps_after(folder: Path, step: int) -> None:
    """Forget what was learned after a step, which a run that goes on from there has yet to learn. Raises OSError."""
    for later in kept_steps(folder):
        if later > step:
            step_file(folder, later).unlink(missing_ok=True)


def load_step(folder: Path, step: int, base: Base, config: MethodConfig) -> Trainable:
    """What a run of this config had learned at a step. Raises AdapterError if it is not kept, or its file is damaged or does not fit."""
    reft = make_trainable(base, config, seed=0)
    try:
        check_plain(step_file(folder, step))
        reft.load_state_dict(load_file(step_file(folder, step)))
    except FileNotFoundError as error:
        raise AdapterError("What this run had learned at step {step} is not kept.", kind="steps.not_kept", step=step) from error
    except (SafetensorError, RuntimeError, KeyError, ValueError, OSError) as error:
        raise AdapterError("The file of step {step} is damaged.", kind="steps.damaged", step=step) from error
    reft.eval()
    return reft


def damaged_steps(folder: Path) -> list[int]:
    """The kept steps whose files are no whole safetensors files."""
    return [step for step in kept_steps(folder) if not _is_whole(step_file(folder, step))]


def _is_whole(path: Path) -> bool:
    try:
        with safe_open(path, framework="numpy"):
            return True
    except FileNotFoundError:  # dropped meanwhile, for another one
        return True
    except (SafetensorError, OSError):
        return False
