"""Archives, progress, and that no file is held in memory."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from reft_engine.data import Limits
from reft_engine.data.reading import read_table
from reft_engine.errors import DataError
from tests.reft_engine.data.reading.files import xlsx, zstandard

LINES = [json.dumps({"prompt": f"question {number}", "answer": "word " * (number % 40)}) for number in range(40_000)]
CONTENT = "".join(f"{line}\n" for line in LINES).encode()
PACKED = {"gzip": gzip.compress(CONTENT, 1, mtime=0), "zstd": zstandard(CONTENT)}


@pytest.mark.slow
@pytest.mark.parametrize("packed", PACKED)
def test_an_archive_is_read_like_its_content(read, packed):
    table, rows = read(PACKED[packed])
    assert table.format == "jsonl" and [row.line for row in rows] == list(range(1, 40_001))
    table, rows = read(PACKED[packed] * 2)
    assert len(rows) == 80_000


@pytest.mark.slow
@pytest.mark.parametrize("packed", PACKED)
def test_a_cut_archive_gives_its_rows_and_a_problem(read, packed):
    content = PACKED[packed]
    table, rows = read(content[: len(content) // 2])
    assert len(rows) > 1000 and all(row.values for row in rows[:-1])
    assert (rows[-1].line, rows[-1].problem) == (table.counts.rows + 1, "the archive ends early; what follows in it is lost")


@pytest.mark.slow
@pytest.mark.parametrize("packed", PACKED)
def test_a_damaged_archive_says_where(read, packed):
    content = bytearray(PACKED[packed])
    content[len(content) // 2 : len(content) // 2 + 40] = bytes(40)
    _, rows = read(bytes(content))
    assert rows[-1].values is None and "the archive" in rows[-1].problem


@pytest.mark.parametrize("packed", PACKED)
def test_an_archive_that_grows_too_far_is_refused(read, packed):
    with pytest.raises(DataError, match="grows to more than 1 MB"):
        read(PACKED[packed], limits=Limits(expanded=1_000_000))


@pytest.mark.slow
def test_a_list_in_a_cut_archive_says_so_once(read):
    content = gzip.compress(("[" + ",\n".join(LINES) + "]").encode(), 1, mtime=0)
    _, rows = read(content[: len(content) // 2])
    assert len(rows) > 1000 and [row.problem for row in rows if row.values is None and "archive" in row.problem]


def test_an_archive_in_an_archive_is_named(read):
    with pytest.raises(DataError, match="an archive; unpack it first, inside a gzip archive"):
        read(gzip.compress(gzip.compress(CONTENT)))
    with pytest.raises(DataError, match="a Parquet file; unpack it first, inside a Zstandard archive"):
        read(zstandard(b"PAR1" + bytes(50)))
    with pytest.raises(DataError, match="a workbook or another zip archive; unpack it first, inside a gzip archive"):
        read(gzip.compress(xlsx({"S": [("a", "b")]})))


@pytest.mark.slow
@pytest.mark.parametrize("form", ["jsonl", "json", "csv", "gz"])
def test_progress_goes_from_nothing_to_all(read, form):
    content = {
        "jsonl": CONTENT,
        "json": ("[" + ",".join(LINES) + "]").encode(),
        "csv": b"prompt,answer\n" + b"question,answer\n" * 100_000,
        "gz": PACKED["gzip"],
    }[form]
    shares = []
    read(content, on_progress=shares.append)
    assert shares == sorted(shares) and 0 < shares[0] <= 1 == shares[-1] and (len(shares) > 3 or form == "gz")


@pytest.mark.slow
def test_rows_come_before_the_file_is_read_to_its_end(tmp_path):
    (tmp_path / "upload").write_bytes(b"prompt,answer\n" + b"question,answer\n" * 1_000_000)
    shares = []
    rows = iter(read_table(tmp_path / "upload", on_progress=shares.append).rows)
    for _ in range(1000):
        next(rows)
    assert shares[-1] < 0.2
    rows.close()


_OBJECT = "json.dumps({'prompt': f'question {n} é', 'answer': 'word ' * 40})"
WRITE = {
    "jsonl": f"for n in range(COUNT): file.write({_OBJECT} + '\\n')",
    "json": f"for n in range(COUNT): file.write((',\\n' if n else '[') + {_OBJECT})\nfile.write(']')",
    "csv": "file.write('prompt,answer\\n')\nfor n in range(COUNT): file.write(f'\"question {n}\",\"' + 'word ' * 40 + '\"\\n')",
    "split": f"file.write('{{\"train\": ')\nfor n in range(COUNT): file.write((',\\n' if n else '[') + {_OBJECT})\nfile.write(']}}')",
}
READ = """
from pathlib import Path
from reft_engine.data.reading import read_table
def peak():
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
before = peak()
count = sum(row.values is not None for row in read_table(Path("upload")).rows)
print(count, (peak() - before) // 1024)
"""


@pytest.mark.process
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("form", WRITE)
def test_a_file_of_many_megabytes_is_read_within_a_few(tmp_path, form, packed):
    count = 150_000
    opened = "gzip.open('upload', 'wt', 1)" if packed else "open('upload', 'w')"
    write = f"import gzip, json\nCOUNT = {count}\nwith {opened} as file:\n" + "\n".join("    " + line for line in WRITE[form].split("\n"))
    subprocess.run([sys.executable, "-c", write], cwd=tmp_path, check=True)
    assert packed or Path(tmp_path / "upload").stat().st_size > 30_000_000
    out = subprocess.run([sys.executable, "-c", READ], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    rows, megabytes = map(int, out.split())
    assert rows == count and megabytes < 25


@pytest.mark.slow
def test_every_real_file_is_read_the_same_from_an_archive(shared, read):
    files = [path for folder in ("data", "cases/data") for path in sorted((shared / folder).rglob("*")) if path.is_file()]
    texts = [path for path in files if path.suffix not in (".md", ".gz", ".parquet") and path.stat().st_size < 1_000_000]
    assert len(texts) > 60
    for path in texts:
        table, rows = read(path.read_bytes())
        packed, same = read(gzip.compress(path.read_bytes(), 1))
        assert same == rows and packed.notes == table.notes and rows, path.name
