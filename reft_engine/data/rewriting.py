"""Other rows from those of a file of rows: texts changed, rows dropped, sides drawn; what differs; the rows as a file for others."""

import csv
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from reft_engine.data.normalised import rows_in, rows_of
from reft_engine.data.splitting import HELD_OUT, TRAIN, SplitPlan, held_out_by, is_trained
from reft_engine.errors import DataError

Row = dict[str, Any]
"""A row as `normalised` writes it."""
ExportFormat = Literal["jsonl", "csv", "parquet"]
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a spreadsheet takes for the beginning of a formula, also in the wide form of its sign and after spaces."""
_LISTED = 200
"""Changes that are listed; all are counted."""
_AT_ONCE = 1_000
"""Rows that are written to Parquet at once."""


def change_rows(path: Path, out: Path, texts: Mapping[int, Mapping[str, str]], dropped: Collection[int] = ()) -> int:
    """Write the rows with other texts and without some; returns how many are written.

    Args:
        path: the rows.
        out: the file that is made.
        texts: by the number of a row, its new texts by the names of `texts_of`.
        dropped: numbers of the rows that are left out.

    Raises:
        DataError: there is no such text in a row, an answer becomes empty, or nothing is left.
    """
    written = 0
    with out.open("w", encoding="utf-8", newline="\n") as file:
        for row in rows_in(path):
            if row["row"] in dropped:
                continue
            file.write(json.dumps(changed_row(row, texts.get(row["row"], {})), ensure_ascii=False) + "\n")
            written += 1
    if not written:
        raise DataError("No row is left.", kind="rows.none_left")
    return written


def texts_of(row: Row) -> dict[str, str]:
    """The texts of a row by their names: ``message 1`` and so on, then ``answer``, or ``chosen`` and ``rejected``."""
    messages = {f"message {number}": text for number, (_, text) in enumerate(row["messages"], 1)}
    return {**messages, **{name: row[name] for name in ("answer", "chosen", "rejected") if name in row}}


def turns_of(row: Row) -> dict[str, str]:
    """Who speaks in the messages of a row, by the names of `texts_of`."""
    return {f"message {number}": role for number, (role, _) in enumerate(row["messages"], 1)}


def changed_row(row: Row, texts: Mapping[str, str]) -> Row:
    """A row with other texts, by the names of `texts_of`. Raises DataError if there is no such text, or one becomes empty."""
    known = texts_of(row)
    for name, text in texts.items():
        if name not in known:
            raise DataError("Row {row} has no {name}.", kind="rows.no_text", row=row["row"], name=name[:40])
        if not text.strip():
            raise DataError("Row {row}: the {name} is empty.", kind="rows.empty_text", row=row["row"], name=name)
    messages = [[role, texts.get(f"message {number}", text)] for number, (role, text) in enumerate(row["messages"], 1)]
    return {**row, "messages": messages, **{name: texts[name] for name in ("answer", "chosen", "rejected") if name in texts}}


def divide_rows(path: Path, out: Path, plan: SplitPlan) -> dict[str, int]:
    """Write the rows with the side that a plan gives them; returns the examples on each side. Raises DataError: see `held_out_by`."""
    counts = {TRAIN: 0, HELD_OUT: 0}
    sides = held_out_by((examples[0] for _, examples in rows_of(path)), plan)
    with out.open("w", encoding="utf-8", newline="\n") as file:
        for row, held_out in zip(rows_in(path), sides, strict=True):
            side = HELD_OUT if held_out else TRAIN
            counts[side] += 1 + len(row.get("learned", ()))
            file.write(json.dumps({**row, "split": side}, ensure_ascii=False) + "\n")
    return counts


def join_rows(path: Path, held_out: Path, out: Path) -> int:
    """Write the rows of a file as training rows, and those of another one behind them as held-out rows; returns how many are written.

    Raises:
        DataError: a file is missing or damaged, one has no row, or only one has pairs of answers.
    """
    written = {TRAIN: 0, HELD_OUT: 0}
    last = 0
    kinds: set[bool] = set()
    with out.open("w", encoding="utf-8", newline="\n") as file:
        for side, rows in ((TRAIN, rows_in(path)), (HELD_OUT, rows_in(held_out))):
            first = last
            for row in rows:
                last = first + row["row"] if side == HELD_OUT else row["row"]
                file.write(json.dumps({**row, "row": last, "split": side}, ensure_ascii=False) + "\n")
                written[side] += 1
                kinds.add("chosen" in row)
    if len(kinds) > 1:
        raise DataError("One file has pairs of answers, and the other single ones.", kind="split.other_kind")
    if not all(written.values()):
        raise DataError("There is no row to hold out, or none to train on.", kind="split.no_rows")
    return sum(written.values())


def shared_prompts(path: Path) -> int:
    """How many held-out rows have a prompt that is trained as well, which makes them easier than new ones. Raises DataError."""
    sides = [(is_trained(str(row.get("split", ""))), hash(tuple(map(tuple, row["messages"])))) for row in rows_in(path) if row["messages"]]
    trained = {prompt for is_training, prompt in sides if is_training}
    return sum(prompt in trained for is_training, prompt in sides if not is_training)


@dataclass(frozen=True, slots=True)
class TextChange:
    """A text that differs between two versions of a row."""

    row: int
    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Differences:
    """What differs between two files of rows: numbers of rows, and the first of the texts that changed."""

    added: int
    dropped: int
    changed: int
    moved: int
    """Rows that are on another side."""
    texts: tuple[TextChange, ...]


def differences(before: Path, after: Path) -> Differences:
    """Compare two files of rows by the numbers of their rows, both in order. Raises DataError."""
    added = dropped = changed = moved = 0
    texts: list[TextChange] = []
    old, new = _numbered(before), _numbered(after)
    one, other = next(old, None), next(new, None)
    while one or other:
        if other is None or (one is not None and one[0] < other[0]):
            dropped, one = dropped + 1, next(old, None)
        elif one is None or other[0] < one[0]:
            added, other = added + 1, next(new, None)
        else:
            found = _text_changes(one[0], one[1], other[1])
            changed += bool(found)
            moved += one[1].get("split", "") != other[1].get("split", "")
            texts += found[: _LISTED - len(texts)]
            one, other = next(old, None), next(new, None)
    return Differences(added, dropped, changed, moved, tuple(texts))


def _numbered(path: Path) -> Iterator[tuple[tuple[int, int], Row]]:
    """Rows with what tells them apart: their number, and their place among those of one number."""
    last, place = 0, 0
    for row in rows_in(path):
        place = place + 1 if row["row"] == last else 0
        last = row["row"]
        yield (last, place), row


def _text_changes(key: tuple[int, int], before: Row, after: Row) -> list[TextChange]:
    old, new = texts_of(before), texts_of(after)
    names = dict.fromkeys([*old, *new])
    return [TextChange(key[0], name, old.get(name, ""), new.get(name, "")) for name in names if old.get(name) != new.get(name)]


# For others


def export_rows(path: Path, out: Path, form: ExportFormat) -> None:
    """Write the rows as a file that other programs read, and this one reads the same again.

    Prompt and answer are columns of their own; where a row has more turns, it is a list of ``messages`` (role, content, and weight 0
    for an answer that is not learned). In CSV such lists are JSON, and a text that a spreadsheet would take for a formula is preceded
    by an apostrophe.

    Raises:
        DataError: the rows are missing or damaged.
    """
    chats = any(len(row["messages"]) != 1 or "learned" in row for row in rows_in(path))
    written = (_for_others(row, chats=chats) for row in rows_in(path))
    if form == "jsonl":
        with out.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in written)
    elif form == "csv":
        _write_csv(written, out, _columns(path, chats=chats))
    else:
        _write_parquet(written, out, _columns(path, chats=chats))


def _columns(path: Path, *, chats: bool) -> list[str]:
    return list(dict.fromkeys(name for row in rows_in(path) for name in _for_others(row, chats=chats)))


def _for_others(row: Row, *, chats: bool) -> Row:
    place = {name: row[name] for name in ("split", "group") if row.get(name)}
    turns = [{"role": role, "content": text} for role, text in row["messages"]]
    if "chosen" in row:
        return {"prompt": turns if chats else turns[0]["content"], "chosen": row["chosen"], "rejected": row["rejected"], **place}
    if not row["messages"]:
        return {"text": row["answer"], **place}
    if not chats:
        return {"prompt": turns[0]["content"], "answer": row["answer"], **place}
    learned = set(row.get("learned", ()))
    weighed = [turn if turn["role"] != "assistant" or index in learned else {**turn, "weight": 0} for index, turn in enumerate(turns)]
    return {"messages": [*weighed, {"role": "assistant", "content": row["answer"]}], **place}


def _write_csv(rows: Iterator[Row], out: Path, columns: list[str]) -> None:
    with out.open("w", encoding="utf-8-sig", newline="") as file:  # the mark tells Excel that it is UTF-8
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows([in_csv(row.get(column, "")) for column in columns] for row in rows)


def in_csv(value: Any) -> str:
    """A value as a cell: what is no text is JSON, and what a spreadsheet would take for a formula is preceded by an apostrophe."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text


def _write_parquet(rows: Iterator[Row], out: Path, columns: list[str]) -> None:
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    turn = pa.struct([("role", pa.string()), ("content", pa.string()), ("weight", pa.int8())])
    listed = {"messages", "prompt"} if any(name == "messages" for name in columns) else set()
    writer: Any = None
    batch: list[Row] = []
    for row in (*rows, None):
        if row is not None:
            batch.append(row)
        if batch and (row is None or len(batch) == _AT_ONCE):
            kinds = [(name, pa.list_(turn) if name in listed or isinstance(batch[0].get(name), list) else pa.string()) for name in columns]
            table = pa.Table.from_pylist(batch, schema=pa.schema(kinds))
            writer = writer or ParquetWriter(out, table.schema)
            writer.write_table(table)
            batch = []
    if writer:
        writer.close()
