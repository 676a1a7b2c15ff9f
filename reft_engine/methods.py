"""The methods: a table with one row for each, the only place that describes them. Imports no torch.

Letters in formulas and shapes: h hidden state of an edited token, D its width, K rank. R has orthonormal rows; W and W2 are
arbitrary matrices; act is `ReftConfig.activation`. Equations and tables are those of arXiv 2404.03592.
"""

from collections import Counter
from dataclasses import dataclass

_SIZES = ("KD", "K", "D")


@dataclass(frozen=True, slots=True)
class Method:
    """One method: its names, its formula, and the three choices that `interventions.LowRankEdit` implements.

    An edit with a rank adds P^T c to h. The choices: whether the rows of the projection P (K, D) are orthonormal, whether the
    coefficients c (K,) come from a learned source, and whether P h is subtracted from c. RED has no rank and its own class.

    Attributes:
        name: its name in `ReftConfig.method` and in all files.
        title: its name on the page.
        help: its effect in a few plain words; the page shows them after the title.
        formula: h after the edit.
        paper: its name in the paper, with the equation or table.
        pyreft: pyreft's class; None where pyreft has none, and `ReftModel.save_pyreft` refuses.
        pyreft_writes: the class to write instead where pyreft 0.1.0 cannot load its own; it must compute the same.
        has_rank: whether it has a rank; the three choices apply only then.
        orthonormal: the rows of P are orthonormal (P is R); otherwise P is any matrix.
        learned_source: c is act(W h + b); otherwise c is the constants b.
        subtracts: P h is subtracted from c.
    """

    name: str
    title: str
    help: str
    formula: str
    paper: str
    pyreft: str | None = None
    pyreft_writes: str | None = None
    has_rank: bool = True
    orthonormal: bool = False
    learned_source: bool = False
    subtracts: bool = False

    @property
    def weights(self) -> dict[str, str]:
        """Shape of each weight of one edit in letters (``KD``, ``K`` or ``D``), by its name in the adapter file."""
        if not self.has_rank:
            return {"scale": "D", "bias": "D"}
        return {"projection": "KD", **({"source": "KD"} if self.learned_source else {}), "bias": "K"}

    def shapes(self, rank: int, width: int) -> dict[str, tuple[int, ...]]:
        """Shape of each weight of one edit of this rank and width, by its name in the adapter file."""
        sizes = {"K": rank, "D": width}
        return {name: tuple(sizes[letter] for letter in letters) for name, letters in self.weights.items()}

    def parameters(self, rank: int, width: int) -> int:
        """Count the trainable parameters of one edit."""
        count = Counter(self.weights.values())
        return count["KD"] * rank * width + count["K"] * rank + count["D"] * width

    @property
    def parameter_formula(self) -> str:
        """The parameter count as text, such as ``2KD + K``."""
        count = Counter(self.weights.values())
        return " + ".join(f"{count[size] if count[size] > 1 else ''}{size}" for size in _SIZES if count[size])

    def can_be_identity(self, activation: str) -> bool:
        """Whether weights exist with which the edit changes nothing, for any projection.

        Without subtraction they are b = 0, if act(0) = 0; with it W = P and b = 0, if act is linear; constants b never equal P h.
        """
        if self.subtracts:
            return self.learned_source and activation == "linear"
        return activation != "sigmoid"


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method(
            name="loreft",
            title="LoReFT",
            help="the paper's best",
            formula="h + R^T (act(W h + b) - R h)",
            paper="LoReFT (equation 2)",
            pyreft="LoreftIntervention",
            orthonormal=True,
            learned_source=True,
            subtracts=True,
        ),
        Method(
            name="direft",
            title="DiReFT",
            help="simpler and a little faster",
            formula="h + W2^T act(W h + b)",
            paper="DiReFT (equation 3)",
            pyreft="NodireftIntervention",  # pyreft's DireftIntervention is direft_orth
            pyreft_writes="DireftIntervention",
            learned_source=True,
        ),
        Method(
            name="noreft",
            title="NoReFT",
            help="LoReFT without right angles",
            formula="h + W2^T (act(W h + b) - W2 h)",
            paper="NoReFT (table 17)",
            pyreft="NoreftIntervention",
            pyreft_writes="DireftIntervention",
            learned_source=True,
            subtracts=True,
        ),
        Method(
            name="direft_orth",
            title="Orthogonal DiReFT",
            help="DiReFT with right angles",
            formula="h + R^T act(W h + b)",
            paper="unnamed (table 17, row 3)",
            pyreft="DireftIntervention",
            orthonormal=True,
            learned_source=True,
        ),
        Method(
            name="consreft",
            title="ConsReFT",
            help="sets a few directions to constants",
            formula="h + R^T (b - R h)",
            paper="unnamed (table 17, row 2)",  # also appendix F.1
            pyreft="ConsreftIntervention",
            orthonormal=True,
            subtracts=True,
        ),
        Method(
            name="lobireft",
            title="LobiReFT",
            help="adds one constant shift",
            formula="h + R^T b",
            paper="unnamed (table 17, row 1)",
            pyreft="LobireftIntervention",
            orthonormal=True,
        ),
        Method(
            name="red",
            title="RED",
            help="stretches and shifts every number; has no rank",
            formula="s * h + b, elementwise",
            paper="RED (equation 8)",  # arXiv 2402.15179
            has_rank=False,
        ),
    )
}


def title_of(name: str) -> str:
    """The title of a method; for a method unknown to this version, its name."""
    return METHODS[name].title if name in METHODS else name


def free_form(method: Method) -> Method | None:
    """The method with the same formula whose projection may be any matrix; None if there is none."""
    if not method.orthonormal:
        return None
    free = [other for other in METHODS.values() if other.has_rank and not other.orthonormal]
    choices = (method.learned_source, method.subtracts)
    return next((other for other in free if (other.learned_source, other.subtracts) == choices), None)
