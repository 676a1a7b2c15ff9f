"""How fast a tuned model answers beside its base and beside others: ``python -m benchmarks.answer``.

One prompt, answered greedily with 64 new tokens by a random model that never ends an answer. Contenders are processes that
take turns, an answer each; counted are medians. The engine's answers are streamed as text by `reft_engine.stream`, the
others' by Hugging Face's ``generate``. See benchmarks/README.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.speed.options import Asked, parser, show
from benchmarks.speed.table import Column, Results, Target, result
from benchmarks.speed.turns import measure
from benchmarks.speed.work import Contender, Shape, Work

NEW = 64
CONTENDERS = {
    each.key: each
    for each in (
        Contender("base", "ours, base alone", "ours:answer", {"columns": [["base"]]}),
        Contender("tuned", "ours, tuned alone", "ours:answer", {"columns": [["tuned"]]}),
        Contender("side", "ours, base and tuned side by side", "ours:answer", {"columns": [["base", "tuned"]]}),
        Contender("after", "ours, base and then tuned", "ours:answer", {"columns": [["base"], ["tuned"]]}),
        Contender("generate", "base, Hugging Face generate()", "generating:base"),
        Contender("pyreft", "pyreft generate()", "pyreft_model:answer", needs=("pyreft", "pyvene"), home="pyreft"),
        Contender("lora", "PEFT LoRA r8 on q, v, generate()", "lora:answer", needs=("peft",)),
    )
}
COLUMNS = (
    Column("first token ms", "first", form=".1f"),
    Column("of base's", "first", beside="base", form=".2f"),
    Column("tokens/s after it", "rate", form=".1f"),
    Column("of base's", "rate", beside="base", form=".2f"),
    Column("whole answer ms", "ms"),
    Column("of base's", "ms", beside="base", form=".2f"),
    Column("tokens", "tokens"),
    Column("MB more", "mb"),
)
TARGETS = (
    Target("first token: tuned / base", "tuned", "base", 1.05, "at most", value="first"),
    Target("tokens a second after it: tuned / base", "tuned", "base", 0.98, "at least", value="rate"),
    Target("whole answer: side by side / base", "side", "base", 1.4, "at most", gpu=1.05),
)


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is edited."""

    key: str
    title: str
    positions: str

    def work(self, shape: Shape) -> Work:
        """The prompt and the edits."""
        return Work(96, 1, self.positions, tuple(range(shape.layers)))


SCENARIOS = (Scenario("f1+l1", "f1+l1 in all blocks", "f1+l1"), Scenario("l1", "l1 in all blocks", "l1"))
_TABLES: dict[str, Sequence[Column]] = {scenario.key: COLUMNS for scenario in SCENARIOS}


def scenario_result(asked: Asked, scenario: Scenario) -> dict[str, Any]:
    """Measure one of `SCENARIOS`."""
    work, new = scenario.work(asked.shape), NEW
    if asked.quick:
        work, new = replace(work, prompt=16), 8
    contenders = asked.taking_part(CONTENDERS, list(CONTENDERS))
    rounds = asked.rounds()
    found = measure(contenders, asked.jobs(contenders, work, new=new), asked.homes, rounds=rounds, memory=1)
    wrong = [each.title for each in found if any(values["tokens"] not in (new, 2 * new) for values in each.rounds)]
    if wrong:
        raise SystemExit(f"Not every answer had {new} tokens: {', '.join(wrong)}.")
    setting = {**asked.setting(work), "new tokens": new, "rounds": rounds}
    del setting["answer up to"]
    return result(scenario.key, scenario.title, setting, found, TARGETS, asked.gpu)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print each scenario as soon as it is measured."""
    options = parser(__doc__, [scenario.key for scenario in SCENARIOS], list(CONTENDERS), rounds=7).parse_args(arguments)
    asked = Asked(options)
    head = "# Answers\n\nPrinted by `python -m benchmarks.answer`; how to read it: benchmarks/README.md."
    results = Results(asked.results, asked.file("answer"), head, list(_TABLES), _TABLES)
    for scenario in SCENARIOS:
        if scenario.key in options.scenarios:
            show(results.add(scenario_result(asked, scenario)))


if __name__ == "__main__":
    main()
