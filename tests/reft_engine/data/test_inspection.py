import gzip
import io
import json
import pickle
import time
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reft_engine.data import ColumnMapping, Limits, dump_examples, inspect_file, inspect_rows, load_examples
from reft_engine.errors import DataError


@pytest.fixture
def inspect(tmp_path):
    def run(content, mapping=None, **options):
        path = tmp_path / "upload"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return inspect_file(path, mapping, **options)

    return run


def pairs(found):
    return [(example.messages[-1].content, example.answer) for example in found.examples]


@pytest.mark.parametrize(
    ("content", "kind", "shape"),
    [
        ("prompt,completion\nhi,hello\n", "csv", "pairs"),
        ("question;answer\nhi;hello\n", "csv", "pairs"),
        ("text\tlabel\nhi\thello\n", "tsv", "labels"),
        ("Sentence,Category\nhi,hello\n", "csv", "labels"),
        ('[{"instruction": "hi", "input": "", "output": "hello"}]', "json", "instructions"),
        ('{"prompt": "hi", "response": "hello"}\n{"prompt": "hi2", "response": "hello"}', "jsonl", "pairs"),
        ('[["hi", "hello"], ["a", "b"]]', "json", "pairs"),
        ('{"rows": [{"prompt": "hi", "answer": "hello"}]}', "json", "pairs"),
        ('{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]}', "jsonl", "messages"),
        ('[{"conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "hello"}]}]', "json", "conversations"),
    ],
)
def test_well_known_shapes_need_no_mapping(inspect, content, kind, shape):
    found = inspect(content)
    assert (found.format, found.shape, found.needs_mapping) == (kind, shape, False)
    assert pairs(found)[0] == ("hi", "hello")
    assert found.problems == ()


def test_other_columns_are_mapped_by_a_person(inspect):
    found = inspect("v1,v2\nham,see you\nspam,win now\n")
    assert found.needs_mapping and found.columns == ("v1", "v2") and found.examples == ()
    chosen = inspect("v1,v2\nham,see you\nspam,win now\n", ColumnMapping(prompt="v2", answer="v1"))
    assert pairs(chosen) == [("see you", "ham"), ("win now", "spam")]
    with pytest.raises(DataError, match="no column 'v9'"):
        inspect("v1,v2\na,b\n", ColumnMapping(prompt="v9", answer="v1"))
    with pytest.raises(DataError, match="same column"):
        inspect("v1,v2\na,b\n", ColumnMapping(prompt="v1", answer="v1"))


def test_every_turn_of_the_assistant_is_an_answer(inspect):
    turns = [("system", "Be kind."), ("user", "hi"), ("assistant", "hello"), ("user", "bye"), ("assistant", "see you")]
    found = inspect(json.dumps({"messages": [{"role": role, "content": text} for role, text in turns]}))
    assert [(len(example.messages), example.answer) for example in found.examples] == [(2, "hello"), (4, "see you")]
    assert (found.rows, found.usable_rows) == (1, 1)


def test_an_instruction_and_its_input_are_one_prompt(inspect):
    found = inspect('[{"instruction": "Add.", "input": "1, 2", "output": 3}]')
    assert pairs(found) == [("Add.\n\n1, 2", "3")]


def test_numbers_stay_as_they_were_written(inspect):
    found = inspect('{"prompt": 0.10, "answer": 1e400}\n{"prompt": ' + "9" * 50_000 + ', "answer": true}')
    assert pairs(found)[0] == ("0.10", "1e400")
    assert pairs(found)[1] == ("9" * 50_000, "true")


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        ("prompt,answer\na,b\nc,\nd,e\n", 3, "answer is empty"),
        ("prompt,answer\na,b\nc,d,e\nd,e\n", 3, "3 cells"),
        ('prompt,answer\na,b\n"x" y,d\nd,e\n', 3, "closing quotation mark"),
        ('prompt,answer\na,b\nd,e\n"x,d\n', 4, "never closed"),
        ('prompt,answer\n"a\nb",c\nd,\nd,e\n', 4, "answer is empty"),
        ('{"prompt": "a", "answer": "b"}\n{"prompt": "c", "answer": "d",}\n{"prompt": "e", "answer": "f"}', 2, "comma"),
        ('{"prompt": "a", "answer": "b"}\n{"prompt": "c", "answer": NaN}\n{"prompt": "e", "answer": "f"}', 2, "NaN"),
        ('{"prompt": "a", "answer": "b"}\n{"prompt": "c", "prompt": "d", "answer": "e"}\n{"prompt": "e", "answer": "f"}', 2, "twice"),
        ('{"prompt": "a", "answer": "b"}\n{"prompt": "e", "answer": "f"}\n{"prompt": "c", "ans', 3, "never closed"),
        ('{"prompt": "a", "answer": "b"}\n{"prompt": "e", "answer": "f"}\n' + "[" * 100_000, 3, "nested"),
        ('{"prompt": "a", "answer": "b"}\n{"prompt": "\\ud800", "answer": "b"}\n{"prompt": "e", "answer": "f"}', 2, "surrogate"),
        ('{"prompt": "a", "answer": "b"}\n{"prompt": "x\\u0007", "answer": "b"}\n{"prompt": "e", "answer": "f"}', 2, "U[+]0007"),
        ('{"prompt": "a", "answer": "b"}\n{"prompt": ["x"], "answer": "b"}\n{"prompt": "e", "answer": "f"}', 2, "not text"),
        ('[{"prompt": "a", "answer": "b"},\n{"prompt": "e", "answer": "f"},\n]', 3, "comma too many"),
        ('[{"prompt": "a", "answer": "b"},\n{"prompt": "e", "answer": "f"}\n{"prompt": "x"}]', 3, "comma or the closing"),
        ('[{"prompt": "a", "answer": "b"},\n{"prompt": "e", "answer": "f"},\n{"prompt":\n "x" 5}]', 4, "comma"),
    ],
)
def test_problems_name_the_line_and_the_good_rows_are_counted(inspect, content, line, words):
    found = inspect(content)
    assert found.usable_rows == 2
    assert [problem.line for problem in found.problems] == [line]
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(found.problems[0].text)


def _zip(name):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, "x")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"  \n \n", "empty"),
        (gzip.compress(b"prompt,answer\na,b\n"), "gzip"),
        (_zip("data.csv"), "zip archive"),
        (_zip("xl/workbook.xml"), "Excel"),
        (pickle.dumps({"prompt": "a"}), "pickle"),
        (b"\x7fELF\x02\x01", "program"),
        (b"prompt,answer\na,\0\n", "zero bytes"),
        ("prompt,answer\né,ü\nàèìò,ö\n".encode() + b"\xff\n", "neither UTF-8"),
        (b"PAR1 and then nothing", "damaged"),
    ],
)
def test_what_is_no_table_is_refused_in_words(inspect, content, words):
    with pytest.raises(DataError, match=words):
        inspect(content)


@pytest.mark.parametrize(
    ("encoding", "note"),
    [("utf-8", None), ("utf-8-sig", None), ("utf-16", "UTF-16"), ("cp1252", "Windows-1252")],
)
def test_encodings_that_are_certain_are_read(inspect, encoding, note):
    found = inspect("prompt,answer\nWhat is a café?,A place to drink coffee\n".encode(encoding))
    assert pairs(found) == [("What is a café?", "A place to drink coffee")]
    assert [bool(note and note in text) for text in found.notes[:1]] == ([True] if note else [False] * len(found.notes[:1]))


def test_a_table_without_a_header_gets_numbered_columns(inspect):
    found = inspect("gj04\t1\t\tOur friends won.\nbc01\t0\t*\tMe go.\n")
    assert found.columns == ("column 1", "column 2", "column 3", "column 4") and found.rows == 2


def test_quotes_inside_tab_separated_cells_are_text(inspect):
    found = inspect('text\tlabel\n"Yes" he said\t1\nno\t0\n')
    assert pairs(found)[0] == ('"Yes" he said', "1")


def test_quoted_tab_separated_cells_lose_their_quotes(inspect):
    found = inspect('text\tlabel\n"a\tb"\t1\nno\t0\n')
    assert pairs(found)[0] == ("a\tb", "1")


def test_preference_pairs_are_explained(inspect):
    found = inspect('[{"prompt": "a", "chosen": "b", "rejected": "c"}]')
    assert found.usable_rows == 0 and "reference" in found.problems[0].text


def test_an_empty_column_names_no_shape(inspect):
    found = inspect('[{"instruction": "a", "output": "", "answer": "b"}]')
    assert pairs(found) == [("a", "b")]


def test_parquet_is_read(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table({"prompt": ["a", "b"], "answer": ["c", None]}), tmp_path / "x")
    found = inspect_file(tmp_path / "x")
    assert (found.format, found.rows, found.usable_rows) == ("parquet", 2, 1)
    assert found.problems[0].text.startswith("Row 2:")


def test_a_parquet_file_that_expands_without_end_is_refused(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    text = pa.DictionaryArray.from_arrays(pa.array([0] * 20_000, pa.int32()), pa.array(["x" * 200_000]))
    pq.write_table(pa.table({"prompt": text, "answer": text}), tmp_path / "bomb")
    assert (tmp_path / "bomb").stat().st_size < 200_000
    with pytest.raises(DataError, match="MB"):
        inspect_file(tmp_path / "bomb", limits=Limits(expanded=50_000_000))


def test_rows_in_memory_are_read_like_a_file():
    from datasets import Dataset

    found = inspect_rows(Dataset.from_dict({"prompt": ["a", ""], "answer": ["b", "c"]}))
    assert pairs(found) == [("a", "b")]
    assert found.problems[0].text == "Row 2: the prompt is empty."


def test_limits_are_said(inspect):
    table = "prompt,answer\n" + "a,b\n" * 20
    found = inspect(table, limits=Limits(rows=5))
    assert found.rows == 5 and "first 5" in found.notes[0]
    with pytest.raises(DataError, match="columns"):
        inspect("a," * 600 + "\n")
    with pytest.raises(DataError, match="fields"):
        inspect(json.dumps({f"field {index}": "" for index in range(600)}))
    assert "characters" in inspect('{"prompt": "abcdef", "answer": "b"}', limits=Limits(cell=5)).problems[0].text


@pytest.mark.parametrize(
    "content",
    [
        '"' * 200_000,
        '"a' * 100_000,
        "a,b\n" + '"' * 100_001,
        "\n".join(['"'] * 50_000),
        "{" * 100_000,
        "[" * 100_000,
        "[{" * 50_000,
        "[" + " " * 200_000,
        "[" + "\n" * 200_000,
        "\\" * 200_000,
        '{"a":"' + "\\" * 200_000,
        "," * 200_000,
        "prompt,answer\n" + "\t" * 200_000,
        "prompt,answer\n" + ",\n" * 100_000,
        "\ufeff" * 50_000,
        "[" + "[1]," * 50_000 + "]",
        '[{"prompt": "a", "answer": "b"}' * 8_000,
    ],
)
def test_hostile_text_is_answered_at_once(inspect, content):
    begun = time.process_time()
    try:
        found = inspect(content)
    except DataError as error:
        assert len(str(error)) < 400
    else:
        assert all(len(problem.text) < 400 for problem in found.problems) and len(found.problems) <= 101
    assert time.process_time() - begun < 5, "grows faster than the file"


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=300), st.text(alphabet='ab{}[]",:\n\t\\ ;|1é\u2028', max_size=200).map(str.encode)))
def test_any_bytes_are_read_or_refused(inspect, content):
    try:
        found = inspect(content)
    except DataError:
        return
    assert found.rows >= found.usable_rows >= 0
    assert found.rows == 0 or found.sentence


def test_what_is_kept_is_read_back(inspect, tmp_path):
    found = inspect("prompt,answer\nline\u2028break,\u0085é😀\n")
    (tmp_path / "kept").write_bytes(dump_examples(found.examples))
    assert tuple(load_examples(tmp_path / "kept")) == found.examples
    (tmp_path / "kept").write_text("{broken")
    with pytest.raises(DataError, match="damaged"):
        load_examples(tmp_path / "kept")


@pytest.mark.parametrize(
    ("name", "shape", "rows", "usable"),
    [
        ("instruct/identity.json", "instructions", 91, 91),
        ("classify/sst2/dev.tsv", "labels", 872, 872),
        ("chat/toy_chat_fine_tuning.jsonl", "messages", 10, 7),
        ("chat/pirate_training_set.jsonl", "messages", 10, 10),
        ("chat/v1_sft_demo.jsonl", "messages", 500, 500),
        ("classify/banking77_train.csv", "labels", 10003, 10003),
        ("classify/rte/train.tsv", "unknown", 2127, 0),
        ("instruct/pyreft_emoji_10.json", "pairs", 10, 10),
        ("instruct/ultrafeedback_1k.json", "instructions", 1000, 999),
        ("instruct/alpaca_5000.json", "instructions", 5000, 4998),
        ("math/mawps/test.json", "instructions", 238, 238),
        ("messy/sms_spam.csv", "unknown", 5572, 0),
        ("messy/cabinet_turnover.csv", "unknown", 379, 0),
        ("preference/dpo_en_demo.json", "preferences", 300, 0),
        ("steer/axbench_concept10_train.parquet", "pairs", 936, 936),
    ],
)
def test_real_files(shared, name, shape, rows, usable):
    found = inspect_file(shared / "data" / name)
    assert (found.shape, found.rows, found.usable_rows) == (shape, rows, usable)
