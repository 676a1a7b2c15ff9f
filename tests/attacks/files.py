"""Attacks by what is uploaded."""

import csv
import gzip
import io
import json
import os
import pickle
import sqlite3
import struct
import tarfile
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
from pyarrow import parquet

from tests.attacks.house import GROWTH, UPLOAD_MB, Told, Visitor, is_clear
from tests.attacks.payloads import CONTROLS, NAMES
from tests.attacks.trial import Trial
from tests.faults.studio import BASE

_PICKLED = Path(tempfile.gettempdir()) / f"reft-attack-{os.getpid()}"
"""Is there once a pickle was read."""


def _looked_at(trial: Trial, visitor: Visitor, name: str, content: bytes) -> tuple[Told, str]:
    """Upload a file and let the Data page read it; what it said, and what it would keep it by."""
    pages = trial.house.pages
    sent = visitor.post("/gradio_api/upload", files={"files": (name, content)})
    if sent.status_code != 200:
        return Told(sent.status_code, sent.text), ""
    file = {"path": sent.json()[0], "meta": {"_type": "gradio.FileData"}, "orig_name": name}
    taking = pages.event("dataset-upload")
    taken = visitor.event(taking, [file])
    said = str((taken.data or [""])[0])
    return (visitor.event(pages.after(taking), [said]), said) if said.startswith("{") else (taken, "")


def _kept(trial: Trial, visitor: Visitor, said: str, name: str) -> str | None:
    """Keep what was read as a dataset; its id."""
    before = {each.id for each in trial.house.of("Bob").storage.datasets.all()}
    event = trial.house.pages.event("dataset-save")
    values = trial.house.pages.values(event, dataset_name=name)
    values[0] = said
    visitor.event(event, values)
    return next((each.id for each in trial.house.of("Bob").storage.datasets.all() if each.id not in before), None)


def over_the_cap(trial: Trial) -> None:
    """A body over the cap, with its length, without it, with a wrong one; the disk holds no more than the cap of it."""
    visitor, size = trial.house.visitor("Bob"), (UPLOAD_MB + 10) * 1_000_000
    before = trial.house.disk()

    def pieces(field: bytes = b"files") -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="' + field + b'"; filename="a.csv"\r\n\r\n'
        for _ in range(size // 1_000_000):
            yield b"a,b\n" * 250_000
        yield b"\r\n--x--\r\n"

    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    for field in (b"files", b"other")[: trial.often(1, 2)]:
        for length in (None, str(sum(map(len, pieces(field))))):
            try:
                answer = visitor.post(
                    "/gradio_api/upload", content=pieces(field), headers={**kind, **({"Content-Length": length} if length else {})}
                )
                told = answer.status_code == 413 and is_clear(answer)
                trial.held(told, f"a body of {size / 1e6:.0f} MB {'with' if length else 'without'} a length: {answer.status_code}")
            except httpx.HTTPError:
                trial.held(True, "")  # it hung up
    trial.held(trial.house.disk() - before <= UPLOAD_MB, f"{trial.house.disk() - before:.0f} MB of what was refused are on the disk")


def many_files_in_one_body(trial: Trial) -> None:
    """Several files in one request, each below the cap, all of them above."""
    visitor, each = trial.house.visitor("Bob"), (UPLOAD_MB - 2) * 1_000_000
    before = trial.house.disk()
    for count in (4, 8)[: trial.often(1, 2)]:
        try:
            answer = visitor.post("/gradio_api/upload", files=[("files", (f"{n}.csv", b"a" * each)) for n in range(count)])
            trial.held(
                answer.status_code == 413 and is_clear(answer), f"{count} files of {each / 1e6:.0f} MB in one request: {answer.status_code}"
            )
        except httpx.HTTPError:
            trial.held(True, "")
    trial.held(trial.house.disk() - before <= UPLOAD_MB, f"{trial.house.disk() - before:.0f} MB of one request are on the disk")


def many_small(trial: Trial) -> None:
    """Upload after upload, and directory after directory, until a quota ends it: thirty times the most of one upload."""
    visitor, before, refused = trial.house.visitor("Bob"), trial.house.disk(), 0
    size = trial.often(UPLOAD_MB // 2, 1) * 1_000_000
    count = 30 * UPLOAD_MB * 1_000_000 // size
    for number in range(count):
        answer = visitor.post("/gradio_api/upload", files={"files": (f"{number}.csv", b"a" * size)})
        refused += answer.status_code in (413, 429, 507)
        if refused > 3:
            break
    trial.attempts += count - 1
    is_bounded = trial.house.disk() - before <= 10 * UPLOAD_MB  # older ones are let go
    trial.held(refused or is_bounded, f"{count} uploads, {trial.house.disk() - before:.0f} MB, were all taken")
    trial.held(trial.house.lives(), "the studio does not answer after them")


class _Boom:
    """Says so if a pickle of it is read."""

    def __reduce__(self) -> tuple[Any, tuple[str, ...]]:
        return os.system, (f"touch {_PICKLED}",)


def _zip(name: str, content: bytes, *more: tuple[str, bytes]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as file:
        for each, data in ((name, content), *more):
            file.writestr(each, data)
    return held.getvalue()


def _workbook(cells: bytes) -> bytes:
    kinds = b'<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'
    space = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    book = b'<workbook xmlns="' + space + b'"><sheets><sheet name="a" sheetId="1"/></sheets></workbook>'
    return _zip("xl/worksheets/sheet1.xml", cells, ("[Content_Types].xml", kinds), ("xl/workbook.xml", book))


def disguised(trial: Trial) -> None:
    """Archives, programs, pickles, databases and spreadsheets that expand, by the names of tables."""
    visitor, chance = trial.house.visitor("Bob"), trial.chance
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w:gz") as file:
        file.addfile(tarfile.TarInfo("../../x"))
    laughs = b'<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa">' + b"".join(
        f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">'.encode() for n in range(9)
    )
    bombs = {
        "a zip in a zip": _zip("a.csv", _zip("b", b"\0" * 20_000_000)), "a program": b"\x7fELF\x02\x01\x01" + chance.randbytes(4000),
        "a program of Windows": b"MZ" + chance.randbytes(4000), "a pickle": pickle.dumps(_Boom()), "an archive": tar.getvalue(),
        "an empty archive": b"PK\x05\x06" + bytes(18), "a workbook of zeros": _workbook(b"\0" * 300_000_000),
        "entities in a workbook": _workbook(laughs + b"]><worksheet>&j;</worksheet>"),
        "a file of another": _workbook(b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><worksheet>&e;</worksheet>'),
        "gzip that expands": gzip.compress(b"\0" * 300_000_000), "gzip in gzip": gzip.compress(gzip.compress(b"a,b\n" * 10)),
        "a database": _database(), "PDF": b"%PDF-1.7\n" + chance.randbytes(2000), "random": chance.randbytes(5000), "nothing": b"",
        "cut off Parquet": b"PAR1" + chance.randbytes(2000), "half of Arrow": b"ARROW1\0\0" + chance.randbytes(2000),
    }  # fmt: skip
    with trial.house.growth() as grown:
        for what, content in bombs.items():
            for name in ("a.csv", "a.json", "a.parquet", "a.xlsx")[: trial.often(1, 4)]:
                told, _ = _looked_at(trial, visitor, name, content)
                trial.held(told.is_clear and told.was_refused, f"{what} as {name}: {told.status} {told.text[:150]}")
        trial.held(grown() < GROWTH, f"they cost {grown():.0f} MB")
    trial.held(not _PICKLED.exists(), "a pickle was read")


def _database() -> bytes:
    with sqlite3.connect(":memory:") as found:
        found.execute("CREATE TABLE x (a)")
        return found.serialize()


def _expanding(rows: int, width: int, *, nested: bool = False) -> bytes:
    """A few hundred bytes of Parquet that stand for rows times width bytes of text."""
    values = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["x" * width]))
    column = pa.ListArray.from_arrays(pa.array([0, rows], pa.int32()), values) if nested else values
    held = io.BytesIO()
    parquet.write_table(pa.table({"prompt": column, "answer": column}), held, compression="zstd", use_dictionary=True, store_schema=False)
    return held.getvalue()


def tables_that_expand(trial: Trial) -> None:
    """Parquet of some hundred bytes that becomes gigabytes, alone and several at once; memory is looked at meanwhile."""
    names = [
        _expanding(200_000, 10_000),
        _expanding(20, 50_000_000),
        _expanding(100_000, 10_000, nested=True),
        _expanding(3_000_000, 300),
        _expanding(1_000, 1_000_000),
        _expanding(90, 500_000),
    ]
    with trial.house.growth() as grown:
        for content in names:
            told, _ = _looked_at(trial, trial.house.visitor("Bob"), "a.parquet", content)
            trial.held(told.is_clear, f"{len(content)} bytes of Parquet: {told.status} {told.text[:150]}")
        trial.held(grown() < GROWTH, f"one after another they cost {grown():.0f} MB")
    with trial.house.growth() as grown:
        visitors = [trial.house.visitor("Bob") for _ in range(trial.often(4, 8))]
        threads = [
            threading.Thread(target=_looked_at, args=(trial, each, "a.parquet", names[number % 2 - 2]))
            for number, each in enumerate(visitors)
        ]
        for thread in threads:
            thread.start()
        trial.held(trial.house.lives(), "nobody else is answered meanwhile")
        for thread in threads:
            thread.join()
        trial.attempts += len(threads)
        trial.held(grown() < GROWTH, f"{len(threads)} at once cost {grown():.0f} MB")
        trial.measured("MB", grown())


def absurd_footers(trial: Trial) -> None:
    """Parquet whose footer claims what is not there: bytes of it changed at random, absurd lengths, cut off."""
    visitor, chance = trial.house.visitor("Bob"), trial.chance
    held = io.BytesIO()
    parquet.write_table(pa.table({"prompt": ["a", "b"] * 50, "answer": ["c", "d"] * 50}), held)
    whole = held.getvalue()
    (length,) = struct.unpack("<I", whole[-8:-4])
    with trial.house.growth() as grown:
        for _ in range(trial.often(12, 200)):
            data = bytearray(whole)
            for _ in range(chance.randrange(1, 8)):
                data[len(whole) - 8 - chance.randrange(length)] = chance.choice((0, 127, 128, 255, chance.randrange(256)))
            if chance.random() < 0.2:
                data[-8:-4] = struct.pack("<I", chance.choice((0, 1, 2**31, 2**32 - 1)))
            told, _ = _looked_at(trial, visitor, "a.parquet", bytes(data))
            trial.held(told.is_clear, f"a damaged footer: {told.status} {told.text[:150]}")
        trial.held(grown() < GROWTH, f"they cost {grown():.0f} MB")
    trial.held(trial.house.lives(), "the studio does not live")


def absurd_texts(trial: Trial) -> None:
    """Very deep JSON, numbers without end, one endless line, very many columns, quotation marks that never close."""
    visitor, size = trial.house.visitor("Bob"), trial.often(8, UPLOAD_MB - 1) * 1_000_000
    found = {
        "deep.json": b"[" * 200_000,
        "deep.jsonl": b'{"prompt":' * 50_000 + b"1" + b"}" * 50_000, "number.json": b'[{"prompt": ' + b"9" * 1_000_000 + b"}]",
        "exponent.jsonl": b'{"prompt": "a", "answer": 1e999999999}\n', "line.csv": b"a" * size, "line.jsonl": b'{"prompt": "' + b"a" * size,
        "columns.csv": b"," * size, "keys.json": ("[{" + ",".join(f'"k{n}":1' for n in range(200_000)) + "}]").encode(),
        "quotes.csv": b'a,b\n"' + b"x\n" * (size // 2), "empty_lines.csv": b"\n" * size, "tabs.tsv": b"\t\n" * (size // 2),
    }  # fmt: skip
    with trial.house.growth() as grown:
        for name, content in found.items():
            told, _ = _looked_at(trial, visitor, name, content)
            trial.held(told.is_clear, f"{name}: {told.status} {told.text[:150]}")
        trial.held(grown() < GROWTH, f"they cost {grown():.0f} MB")
    trial.held(trial.house.lives(), "the studio does not live")


def broken_rows(trial: Trial) -> None:
    """Rows that are no JSON among good ones: the page names the line and counts the good ones."""
    visitor = trial.house.visitor("Bob")
    good = [json.dumps({"prompt": f"p{n}", "answer": f"a{n}"}).encode() for n in range(6)]
    bad = (
        b'{"prompt": NaN, "answer": "x"}',
        b'{"prompt": Infinity}',
        b'{"prompt": "a", "prompt": "b", "answer": "c"}',
        b'{"prompt": "a",}',
        b'{"prompt": "a", "ans',
    )
    for line in bad:
        told, _ = _looked_at(trial, visitor, "a.jsonl", b"\n".join([*good[:3], line, *good[3:]]) + b"\n")
        text = told.text.replace("\\", "")
        trial.held(
            told.is_clear and ("6" in text or "7" in text) and not (told.was_refused and "line" not in text.lower()),
            f"{line!r}: {text[:200]}",
        )


def encodings(trial: Trial) -> None:
    """Every encoding and what is none; nothing of it stands raw in the log."""
    visitor, text = trial.house.visitor("Bob"), "prompt,answer\nÄpfel,Öl\nweiß,naïve\n" * 4
    found = {code: text.encode(code) for code in ("utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1", "cp1252", "utf-8")}
    found |= {
        "broken": b"prompt,answer\n\xc3\x28,\xff\xfe\n" * 4, "nul": b"prompt,answer\n\x00a,b\n",
        "surrogates": b"prompt,answer\n\xed\xa0\x80,x\n",
        "controls": b"prompt,answer\n\x1b[31mred\x07,\x08\x0c\n", "overlong": b"prompt,answer\n\xc0\xae\xc0\xae,x\n",
        "escaped": b'{"prompt": "\\ud800", "answer": "\\u0000"}\n' * 3,
    }  # fmt: skip
    for name, content in found.items():
        told, _ = _looked_at(trial, visitor, "a.jsonl" if name == "escaped" else f"{name}.csv", content)
        trial.held(told.is_clear, f"{name}: {told.status} {told.text[:150]}")
    for path in trial.house.folder.glob("*.log"):
        raw = path.read_text(encoding="utf-8", errors="surrogateescape")
        trial.held(raw.replace("\n", "").replace("\t", "").isprintable(), f"{path.name} has control characters")


def formulas(trial: Trial) -> None:
    """Cells that a spreadsheet would compute stay as they are, and do no harm in the CSV that is taken away."""
    visitor = trial.house.visitor("Bob")
    cells = ("=1+1", "+1", "-1", "@SUM(1)", '=cmd|"/c calc"!A1', "\t=1", "\r=1", " =1", "\uff1d1", '=HYPERLINK("http://foreign.invalid")')
    rows = "".join(json.dumps({"prompt": cell, "answer": f"{cell} {n}"}) + "\n" for n, cell in enumerate(cells))
    _, said = _looked_at(trial, visitor, "a.jsonl", rows.encode())
    dataset = _kept(trial, visitor, said, "=1+1")
    if not trial.held(dataset, "the rows could not be kept"):
        return
    kept = visitor.get(f"/files/datasets/{dataset}/1.jsonl").text
    for cell in cells:
        text = cell.strip()  # as all texts of rows are
        trial.held(json.dumps(text, ensure_ascii=False) in kept or json.dumps(text) in kept, f"{cell!r} was changed in what is kept")
    for row in csv.reader(io.StringIO(visitor.get(f"/files/datasets/{dataset}/1.csv").text.lstrip("\ufeff"))):
        for cell in row:
            trial.held(not cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\uff1d")), f"the CSV has {cell!r}")


def hostile_names(trial: Trial) -> None:
    """Names of files that are paths, devices, commands or too long: the server names files itself."""
    visitor, root = trial.house.visitor("Bob"), trial.house.folder
    before = {path for path in root.rglob("*") if "uploads" not in path.parts}
    for name in NAMES:
        safe = name.replace('"', "%22").replace("\n", "\\n").encode("utf-8", "replace")
        body = b'--x\r\nContent-Disposition: form-data; name="files"; filename="' + safe + b'"\r\n\r\na,b\nc,d\n\r\n--x--\r\n'
        answer = visitor.post("/gradio_api/upload", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"})
        found = str(answer.json()[0]) if answer.status_code == 200 and answer.json() else ""
        inside = not found or (root / "uploads").resolve() in (root / found).resolve().parents
        trial.held(is_clear(answer) and inside, f"{name!r}: {answer.status_code} {answer.text[:120]}")
    created = {path for path in root.rglob("*") if "uploads" not in path.parts} - before
    odd = [path.name for path in created if not path.name.endswith((".log", ".log.1", "-wal", "-shm", "-journal"))]
    trial.held(not odd, f"files were written outside the uploads: {odd[:4]}")


def control_tokens(trial: Trial) -> None:
    """Texts that name the tokens of the chat's frame: they are cut as text, wherever they come from."""
    from transformers import AutoTokenizer

    special = set(AutoTokenizer.from_pretrained(str(BASE)).all_special_tokens)
    worker = trial.house.services.worker

    def framed(text: str) -> int:
        (row,) = worker.preview(str(BASE), [{"line": 1, "messages": [["user", f"a {text} b"]], "answer": f"c {text} d"}], {})
        assert row["tokens"], f"a preview has no tokens: {row}"
        return sum(token[0] in special for token in row["tokens"])

    plain = framed("and")
    for text in sorted({*CONTROLS, *special}):
        trial.held(framed(text) == plain, f"{text} became a token of the frame")
        told = trial.house.visitor("Bob").chat(f"say {text} twice")
        trial.held(told.is_clear and '"error"' not in told.text, f"{text} in a prompt: {told.text[:150]}")


def degenerate(trial: Trial) -> None:
    """No row, one row, equal rows, empty answers, prompts longer than the model: said before, and no run without a token to learn."""
    visitor = trial.house.visitor("Bob")
    for what, rows in {
        "no row": "", "one row": "a,b\n", "equal rows": "a,b\n" * 30, "empty answers": "a,\n" * 10, "blanks": " , \n" * 10,
        "long prompts": f"{'word ' * 4000},b\n" * 4,
    }.items():  # fmt: skip
        told, said = _looked_at(trial, visitor, "a.csv", f"prompt,answer\n{rows}".encode())
        trial.held(told.is_clear, f"{what}: {told.status} {told.text[:150]}")
        dataset = _kept(trial, visitor, said, what) if said else None
        if dataset is None:
            continue
        before = {run.id for run in trial.house.runs("Bob")}
        begun = visitor.trains(trial.house.pages, f"degenerate {what}", dataset)
        trial.held(begun.is_clear, f"{what} started: {begun.status} {begun.text[:150]}")
        nothing_to_learn = what in ("no row", "empty answers", "blanks")
        runs = [run.id for run in trial.house.runs("Bob") if run.id not in before]
        trial.held(not (runs and nothing_to_learn), f"a run of {what} has started")
        for run in runs:
            trial.house.of("Bob").storage.runs.request_stop(run)
