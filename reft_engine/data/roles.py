"""What each column of a table is: prompt, answer, label and others; and how several prompt columns become one prompt."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reft_engine.data.cells import shown
from reft_engine.errors import DataError

ColumnRole = Literal["system", "context", "prompt", "answer", "label", "rejected", "messages", "weight", "split", "group", "ignore"]
ROLES: tuple[ColumnRole, ...] = get_args(ColumnRole)
_ONCE: tuple[ColumnRole, ...] = ("system", "answer", "label", "rejected", "messages", "weight", "split", "group")
"""Roles that at most one column has."""
_FIELD = re.compile(r"\{([^{}]*)\}")


class Columns(BaseModel):
    """What each column of a file is.

    Attributes:
        roles: the role of each column. A column that is not named is ignored. Prompt columns are joined in this order.
        template: the prompt, with the names of columns in braces; empty: the prompt columns with an empty line between them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    roles: dict[str, ColumnRole] = Field(max_length=500)
    template: str = Field(default="", max_length=10_000)

    @classmethod
    def pair(cls, prompt: str, answer: str) -> "Columns":
        """One column as the prompt, another as the answer."""
        return cls(roles={prompt: "prompt", answer: "answer"})

    @classmethod
    def read(cls, roles: Mapping[str, str], template: str = "") -> "Columns":
        """Columns by what a person wrote. Raises DataError for an unknown role."""
        for column, role in roles.items():
            if role not in ROLES:
                raise DataError(
                    "'{role}' is no role of the column '{column}'. Roles are {roles}.",
                    kind="columns.role",
                    role=shown(role),
                    column=shown(column),
                    roles=", ".join(ROLES),
                )
        try:
            return cls.model_validate({"roles": dict(roles), "template": template})
        except ValidationError as error:
            raise DataError("The roles of the columns cannot be read.", kind="columns.unreadable") from error

    def changed(self, roles: Mapping[str, str], template: str = "") -> "Columns":
        """These columns with other roles for some: a role that is given leaves the columns that had it. Raises DataError."""
        given = Columns.read(roles, template or self.template)
        taken = set(given.roles.values())
        taken |= {"answer", "label"} if taken & {"answer", "label"} else set()
        kept: dict[str, ColumnRole] = {
            column: role for column, role in self.roles.items() if column not in given.roles and role not in taken
        }  # fmt: skip
        return Columns(roles={**kept, **given.roles}, template=given.template)

    def having(self, role: ColumnRole) -> tuple[str, ...]:
        """The columns with a role, in order."""
        return tuple(column for column, each in self.roles.items() if each == role)

    def one(self, role: ColumnRole) -> str | None:
        """The column with a role that only one has."""
        return next(iter(self.having(role)), None)

    @property
    def is_complete(self) -> bool:
        """Whether rows can become examples: there is a chat, a text to continue, or something to answer and its answer."""
        return bool(self.having("messages") or self.having("answer") or self.having("prompt") or self.having("label"))

    def of(self, columns: Sequence[str]) -> dict[str, str]:
        """The role of each of these columns."""
        return {column: self.roles.get(column, "ignore") for column in columns}

    def check(self, columns: Sequence[str]) -> None:
        """Check against the columns that there are.

        Raises:
            DataError: a column does not exist, a role is given twice, an answer lacks its prompt, or the template names other columns.
        """
        given = [column for column, role in self.roles.items() if role != "ignore"]
        for column in [*given, *self.fields()]:
            if column not in columns:
                raise DataError(
                    "There is no column '{column}'. The file has {columns}.",
                    kind="columns.missing",
                    column=shown(column),
                    columns=shown(", ".join(columns), 300),
                )
        for role in _ONCE:
            if len(self.having(role)) > 1:
                raise DataError(
                    "Two columns are the {role}: {columns}. Choose one.",
                    kind="columns.twice",
                    role=role,
                    columns=shown(", ".join(self.having(role)), 200),
                )
        self._check_whole()

    def _check_whole(self) -> None:
        if self.having("answer") and self.having("label"):
            raise DataError("One column is the answer and another the label. Choose one of them.", kind="columns.answer_and_label")
        asked = self.having("prompt") or self.having("messages") or self.having("context") or self.template
        answered = self.having("answer") or self.having("label") or self.having("rejected")
        if answered and not asked and not self.having("rejected"):
            raise DataError("Say also which column is the prompt.", kind="columns.no_prompt")
        if self.having("rejected") and not self.having("answer"):
            raise DataError("Say also which column is the answer that is preferred to the rejected one.", kind="columns.no_preferred")

    def fields(self) -> tuple[str, ...]:
        """The columns that the template names."""
        return tuple(dict.fromkeys(_FIELD.findall(self.template)))

    def prompt(self, texts: Mapping[str, str]) -> str:
        """The template with the texts of a row's columns in it."""
        return _FIELD.sub(lambda found: texts.get(found[1], ""), self.template).strip("\n")


def joined(texts: Iterable[str]) -> str:
    """Texts with an empty line between them; empty ones are left out."""
    return "\n\n".join(text for text in texts if text)


def as_columns(value: Mapping[str, Any] | None) -> Columns | None:
    """Columns as they were stored; also a pair of columns as versions before roles stored it."""
    if value is None:
        return None
    if set(value) == {"prompt", "answer"}:
        return Columns.pair(value["prompt"], value["answer"])
    return Columns.model_validate(value)
