"""The model card of an adapter folder: its README.md."""

import hashlib
from pathlib import Path
from typing import Any

from reft_engine.baseline_methods import BASELINES
from reft_engine.data.records import counted
from reft_engine.formats.atomic import write_atomic
from reft_engine.precisions import load_options

CARD_NAME = "README.md"
_MARK = "\n<!-- written by ReFT Studio; once changed it is never overwritten: "


def write_card(folder: Path, description: dict[str, Any], parameters: int) -> None:
    """Write a model card, its hash in the last line, unless README.md was written or changed by somebody else."""
    path = folder / CARD_NAME
    text = _baseline_card(description, parameters) if "peft" in description else _card(description, parameters)
    if _is_ours(path):
        write_atomic(path, (text + _mark(text)).encode())


def _is_ours(path: Path) -> bool:
    """Whether the file may be overwritten: it does not exist, or is an unchanged card."""
    try:
        content = path.read_bytes().decode()
    except FileNotFoundError:
        return True
    except (OSError, UnicodeDecodeError):  # a folder, an unreadable file, or another encoding
        return False
    text, mark, _ = content.rpartition(_MARK)
    return bool(mark) and content == text + _mark(text)


def _mark(text: str) -> str:
    return f"{_MARK}{hashlib.sha256(text.encode()).hexdigest()[:16]} -->\n"


def _card_base(config: dict[str, Any]) -> str:
    name, revision = config["base_model"]["id"] or "starter", config["base_model"]["revision"]
    precision = config["base_model"].get("precision")
    options = load_options(None if precision == "float32" else precision)
    named = {**({"revision": revision} if revision else {}), **options}
    return ", ".join([repr(name), *(f"{key}={value!r}" for key, value in named.items())])


def _card_use(config: dict[str, Any]) -> str:
    if config["reft"].get("labels"):
        return 'print(classify(base, reft, ["Hello!"]))  # each label with its probability'
    return "print(generate(base, \"Hello!\", edits=[None, reft]))  # the base model's answer, then the tuned one's"


def _card_rows(training: dict[str, Any]) -> str:
    """A sentence on the rows that were used, left out and cut; empty where the summary does not say."""
    rows, left_out, cut = (training.get(name) for name in ("rows", "rows_left_out", "cut_answers"))
    if not isinstance(rows, int):
        return ""
    parts = [f"{counted(rows)} could be used, held-out ones included"]
    parts += [f"{counted(left_out)} left out"] if left_out else []
    parts += [f"{counted(cut, 'answer')} cut at the end to fit"] if cut else []
    return f"Data: {'; '.join(parts)}.\n\n"


def _baseline_card(config: dict[str, Any], parameters: int) -> str:
    method, base, training = BASELINES[config["peft"]["method"]], config["base_model"]["id"] or "unknown", config["training"]
    figures = "\n".join(f"| {name} | {value} |" for name, value in training.items())
    use = "classify" if config["peft"].get("labels") else "generate"
    call = 'classify(base, tuned, ["Hello!"])' if use == "classify" else 'generate(base, "Hello!", edits=[None, tuned])'
    return f"""---
library_name: peft
tags: [reft-studio, {method.name}]
base_model: {base}
---

# A trained {method.title} adapter

{parameters:,} trainable parameters, made with ReFT Studio through PEFT ({method.title}, arXiv {method.paper}: {method.help}).
`peft.PeftModel.from_pretrained` reads this folder, and so does ReFT Studio:

```python
from reft_engine import load_adapter, load_base, {use}

base = load_base({_card_base(config)})
tuned = load_adapter("this_folder", base)
print({call})
```

{_card_rows(training)}| training | |
|---|---|
{figures}
"""


def _parents(training: dict[str, Any]) -> list[str]:
    """The edits of which a mix is made, each with its weight; none for an edit that was trained."""
    parts = training.get("mixed_from")
    if not isinstance(parts, list) or not all(isinstance(part, dict) and {"name", "weight"} <= part.keys() for part in parts):
        return []
    return [f"- {' '.join(str(part['name']).split())}, weight {part['weight']:g}" for part in parts]


def _made(parameters: int, training: dict[str, Any]) -> str:
    """What was made, and how."""
    parents = _parents(training)
    if not parents:
        how = "made with ReFT Studio by representation finetuning (arXiv 2404.03592)."
        return f"# A trained ReFT edit\n\n{parameters:,} trained numbers, {how}"
    lines = "\n".join(parents)
    what = f"The weighted sum of these edits of one base model, as one edit of {parameters:,} numbers, made with ReFT Studio:"
    warning = "The sum is exact at each layer, but no sum of behaviours. Nothing was trained or measured."
    return f"# A mix of ReFT edits\n\n{what}\n\n{lines}\n\n{warning}"


def _figures(training: dict[str, Any]) -> str:
    """The summary of the training as a table; empty where nothing was trained."""
    if _parents(training):
        return ""
    rows = "\n".join(f"| {name} | {value} |" for name, value in training.items())
    return f"{_card_rows(training)}| training | |\n|---|---|\n{rows}\n"


def _card(config: dict[str, Any], parameters: int) -> str:
    reft, training = config["reft"], config["training"]
    return f"""---
library_name: reft-studio
tags: [reft, representation-finetuning, {reft["method"]}]
base_model: {config["base_model"]["id"] or "unknown"}
---

{_made(parameters, training)} It changes hidden
states of the frozen base model at the positions `{reft["positions"]}` of the prompt, in the layers {config["layers"]}
(method `{reft["method"]}`, rank {reft["rank"]}, {"tied" if reft["tied"] else "untied"}).

```python
from reft_engine import ReftModel, {"classify" if config["reft"].get("labels") else "generate"}, load_base

base = load_base({_card_base(config)})
reft = ReftModel.load("this_folder", base.model)
{_card_use(config)}
```

{_figures(training)}"""
