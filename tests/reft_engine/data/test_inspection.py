import gzip
import io
import json
import pickle
import re
import time
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reft_engine.data import Columns, Limits, Message, Preference, dump_examples, inspect_file, inspect_rows, load_examples
from reft_engine.errors import DataError


@pytest.fixture
def inspect(tmp_path):
    def run(content, mapping=None, **options):
        path = tmp_path / "upload"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return inspect_file(path, mapping, **options)

    return run


ENDLESS = 60
"""Seconds of computing, whatever else the machine does, that only what grows with the square of a file takes; all else takes some."""


def told(inspect, content):
    """What is said to be wrong with a file, which is read or refused."""
    try:
        return [problem.text for problem in inspect(content).problems]
    except DataError as error:
        return [str(error)]


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
    chosen = inspect("v1,v2\nham,see you\nspam,win now\n", Columns.pair("v2", "v1"))
    assert pairs(chosen) == [("see you", "ham"), ("win now", "spam")]
    with pytest.raises(DataError, match="no column 'v9'"):
        inspect("v1,v2\na,b\n", Columns.pair("v9", "v1"))
    with pytest.raises(DataError, match="which column is the prompt"):
        inspect("v1,v2\na,b\n", Columns.pair("v1", "v1"))


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
        ('[{"prompt": "a", "answer": "b"},\n{"prompt": "e", "answer": "f"}\n{"prompt": "x"}]', 3, "answer is empty"),
        ('[{"prompt": "a", "answer": "b"},\n{"prompt": "e", "answer": "f"},\n{"prompt":\n "x" 5}]', 4, "comma"),
        ('{"rows": [\n{"prompt": "a", "answer": "b"},\n{"prompt": "c",\n"answer": ""},\n{"prompt": "e", "answer": "f"}]}', 3, "empty"),
        ('{\n"prompt": "a",\n"answer": "b"}\n{"prompt": "c",\n"answer": "d"}\n{\n"prompt": "e"}', 6, "empty"),
        ('[{"prompt": "a", "answer": "b"},\n{"prompt": "c", "answer": "d"},\n{"x": "' + "y" * 60_000 + '",\n "z" 5}]', 4, "colon"),
        ('prompt,answer\r\n"a\r\nb",c\r\nd,\r\nd,e\r\n', 4, "answer is empty"),
        ("prompt,answer\ra,b\rc,\rd,e\r", 3, "answer is empty"),
    ],
)
def test_problems_name_the_line_and_the_good_rows_are_counted(inspect, content, line, words):
    found = inspect(content)
    assert found.usable_rows == 2
    assert [problem.line for problem in found.problems] == [line]
    assert re.search(words, found.problems[0].text)


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
        (gzip.compress(b"%PDF-1.4", mtime=0), "a PDF.*gzip"),
        (_zip("data.csv"), "zip archive"),
        (_zip("xl/workbook.xml"), "workbook is damaged"),
        (pickle.dumps({"prompt": "a"}), "pickle"),
        (b"\x7fELF\x02\x01", "program"),
        (b"MZ\x90\x00\x03", "program"),
        (b"BZh91AY&SY\xd4\x00", "bzip2"),
        (b"<!DOCTYPE html>\n<html><body>a,b</body></html>", "web page"),
        (b"\n<?xml version='1.0'?><a>b, c</a>", "XML"),
        ("prompt,answer\na,b\n".encode("utf-32"), "UTF-32"),
        ("prompt,answer\na,b\n".encode("utf-16")[:-1], "broken"),
        (b'{"\\ud83d": "a", "prompt": "b", "answer": "c"}', "name of a column holds half of a character"),
        (b"prompt,answer\n\0\0\0,\0\n", "zero bytes"),
        (b"PAR1 and then nothing", "damaged"),
    ],
)
def test_what_is_no_table_is_refused_in_words(inspect, content, words):
    with pytest.raises(DataError, match=words):
        inspect(content)


@pytest.mark.parametrize(
    ("encoding", "note"),
    [
        ("utf-8", None),
        ("utf-8-sig", None),
        ("utf-16", "Read as UTF-16."),
        ("utf-16-le", "Read as UTF-16."),
        ("cp1252", "The file is not UTF-8; it was read as Windows-1252."),
    ],
)
def test_encodings_that_are_certain_are_read(inspect, encoding, note):
    found = inspect("prompt,answer\nWhat is a café?,A place to drink coffee\n".encode(encoding))
    assert pairs(found) == [("What is a café?", "A place to drink coffee")]
    assert [text for text in found.notes if "Windows" in text or "UTF" in text] == ([note] if note else [])


def test_a_table_without_a_header_gets_numbered_columns(inspect):
    found = inspect("gj04\t1\t\tOur friends won.\nbc01\t0\t*\tMe go.\n")
    assert found.columns == ("column 1", "column 2", "column 3", "column 4") and found.rows == 2


def test_quotes_inside_tab_separated_cells_are_text(inspect):
    found = inspect('text\tlabel\n"Yes" he said\t1\nno\t0\n')
    assert pairs(found)[0] == ('"Yes" he said', "1")


def test_quoted_tab_separated_cells_lose_their_quotes(inspect):
    found = inspect('text\tlabel\n"a\tb"\t1\nno\t0\n')
    assert pairs(found)[0] == ("a\tb", "1")


def test_letters_that_could_begin_a_program_may_name_a_column(inspect):
    assert inspect("MZ,label\na,b\n").columns == ("MZ", "label")
    assert inspect("BZh,label\na,b\n").columns == ("BZh", "label")


def test_blanks_after_a_comma_do_not_make_quotation_marks_text(inspect):
    assert pairs(inspect('prompt, answer\na, "b, c"\n')) == [("a", "b, c")]


def test_an_input_that_comes_late_is_part_of_its_prompt(inspect):
    rows = [{"instruction": f"Do {number}.", "input": "", "output": "done"} for number in range(250)]
    found = inspect(json.dumps([*rows, {"instruction": "Add.", "input": "1, 2", "output": "3"}]))
    assert pairs(found)[-1] == ("Add.\n\n1, 2", "3")


def test_what_is_left_unused_is_said(inspect):
    found = inspect('[{"instruction": "a", "input": "", "output": "long", "answer": "short"}]')
    assert "The answer is taken from output. Not used: answer." in found.notes
    assert not any("Not used" in note for note in inspect("prompt,answer,\na,b,\n").notes)


def test_the_answers_of_chats_are_counted_as_examples(inspect):
    turns = [("user", "hi"), ("assistant", "hello"), ("user", "bye"), ("assistant", "see you")]
    row = json.dumps({"messages": [{"role": role, "content": text} for role, text in turns]}) + "\n"
    remarks = inspect(row * 2).remarks
    assert "Each answer in a chat is an example of its own; there are 4." in remarks
    assert "1 row repeats an earlier one." in remarks


@pytest.mark.parametrize("content", ["prompt,answer\n", "[]", "[ \n]"])
def test_a_file_without_rows_says_so(inspect, content):
    found = inspect(content)
    assert (found.rows, found.examples, found.needs_mapping) == (0, (), False)
    assert found.sentence.startswith("There is no row of data in this file")


def test_a_column_without_text_is_named(inspect):
    assert "Empty, or nothing that can be read as text: answer." in inspect("prompt,answer\na,\nb,\n").notes


def test_a_file_of_which_nothing_is_usable_says_so(inspect):
    assert inspect('[{"prompt": "a", "answer": ""}]').sentence.endswith("Nothing of it can be used.")


def test_one_object_over_many_lines_is_json(inspect):
    found = inspect('{\n "first": {"a": "b"},\n "second": {"c": "d"}\n}')
    assert (found.format, found.rows, found.columns) == ("json", 1, ("first", "second"))


def test_a_broken_object_over_many_lines_is_one_problem(inspect):
    found = inspect('{\n "rows": [\n  {"prompt": "a", "answer": "b"},\n  {"prompt": "a", "answer": }\n ]\n}')
    assert [problem.line for problem in found.problems] == [4]


def test_rows_inside_an_object_are_found_behind_its_other_fields(inspect):
    content = {"about": {"rows": [1, 2], "note": 'say "rows": ['}, "n": 5, "rows": [{"prompt": "a", "answer": "b"}], "end": [1]}
    assert pairs(inspect(json.dumps(content))) == [("a", "b")]
    assert pairs(inspect(json.dumps(content, indent=1))) == [("a", "b")]


def test_numbers_that_are_none_are_empty_cells(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"text": ["a", "b"], "label": [1.5, float("nan")]}), tmp_path / "x")
    found = inspect_file(tmp_path / "x")
    assert pairs(found) == [("a", "1.5")]
    assert found.problems[0].text == "Row 2: the label is empty."


def test_a_file_that_is_not_there_is_an_error_in_words(tmp_path):
    for path in (tmp_path / "nothing.csv", tmp_path):
        with pytest.raises(DataError, match="no file"):
            inspect_file(path)


def test_preference_pairs_are_read(inspect):
    found = inspect('[{"prompt": "a", "chosen": "b", "rejected": "c"}, {"prompt": "a", "chosen": "b", "rejected": "b"}]')
    assert found.examples == (Preference(1, (Message("user", "a"),), "b", "c"),)
    assert "the preferred and the rejected answer are the same" in found.problems[0].text


def test_an_empty_column_names_no_shape(inspect):
    found = inspect('[{"instruction": "a", "output": "", "answer": "b"}]')
    assert pairs(found) == [("a", "b")]


def test_parquet_is_read(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

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


def test_a_file_that_is_too_large_is_refused_unread(inspect):
    with pytest.raises(DataError, match="at most 0 MB"):
        inspect("prompt,answer\na,b\n", limits=Limits(size=10))


@pytest.mark.parametrize(
    ("content", "line", "usable"),
    [
        ("prompt,answer\na,b\n" + "c," * 100 + "\ne,f\n", 3, 2),
        ('prompt,answer\na,b\n"c\n' + "d\n" * 100 + '",e\ne,f\n', 3, 2),
        ('{"prompt": "a", "answer": "b"}\n{"prompt": ["' + "c" * 100 + '"]}\n', 2, 1),
        ('[{"prompt": "a", "answer": "b"},\n{"prompt": [' + "[]," * 50 + "[]]}]", 2, 1),
        ('[{"prompt": "a", "answer": "b"},\n' + "[" * 200 + "]" * 200 + "]", 2, 1),
        ('{"x": 1, "rows": [{"prompt": "a", "answer": "b"},\n{"prompt": [' + "[]," * 50 + "[]]}]}", 2, 1),
    ],
)
def test_a_row_that_is_too_long_is_named_and_those_after_it_are_read(inspect, content, line, usable):
    found = inspect(content, limits=Limits(row=99))
    assert (found.usable_rows, [problem.line for problem in found.problems]) == (usable, [line])
    assert "long" in found.problems[0].text or "99 characters" in found.problems[0].text


def test_a_cell_that_is_too_long_is_one_problem_and_its_rest_is_no_row(inspect):
    found = inspect('prompt,answer\na,b\n"' + "c,d\n" * 50 + '",e\nf,g\n', limits=Limits(cell=100))
    assert (found.rows, found.usable_rows, found.problem_count) == (3, 2, 1)
    assert "a cell is too long" in found.problems[0].text


def test_a_few_bytes_that_are_not_utf8_cost_their_lines(inspect):
    found = inspect("prompt,answer\né,ü\nàèìò,ö\n".encode() + b"a,b\xff\nc,d\0\ne,f\n")
    assert (found.rows, found.usable_rows, found.encoding) == (5, 3, "utf-8")
    assert found.problems[0].text == "Line 4: at column 4 there are bytes that are not UTF-8 (0xFF)."
    assert "Line 5:" in found.problems[1].text and "U+0000" in found.problems[1].text


def test_chats_that_grow_too_large_are_refused(inspect):
    turns = [{"role": ("user", "assistant")[turn % 2], "content": "x" * 100} for turn in range(100)]
    chat = json.dumps({"messages": turns}) + "\n"
    assert len(inspect(chat, limits=Limits(expanded=10_000)).examples) == 50  # a turn counts once, not with each answer after it
    with pytest.raises(DataError, match="grow to more than"):
        inspect(chat * 2, limits=Limits(expanded=10_000))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "megabytes"),
    [(b"ab," * 3_000_000, 50), (b'[{"a":[' + b"[]," * 3_000_000, 200), (b'[{"a":"' + b"x" * 9_000_000, 50)],
)
def test_one_line_of_many_megabytes_needs_no_gigabytes(inspect, content, megabytes):
    import tracemalloc

    tracemalloc.start()
    try:
        said = told(inspect, content)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [text for text in said if "more than" in text or "too long" in text]
    assert peak < megabytes * 1e6


@pytest.mark.slow
@pytest.mark.parametrize(
    "content",
    [
        '"' * 200_000,
        '"a' * 100_000,
        "a,b\n" + '"' * 100_001,
        "\n".join(['"'] * 50_000),
        "{" * 100_000,
        '{"a":' * 100_000,
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
    said = told(inspect, content)
    assert all(len(text) < 400 for text in said) and len(said) <= 101
    assert time.process_time() - begun < ENDLESS, "grows faster than the file"


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "shape", "rows", "usable"),
    [
        ("instruct/identity.json", "instructions", 91, 91),
        ("classify/sst2/dev.tsv", "labels", 872, 872),
        ("chat/toy_chat_fine_tuning.jsonl", "messages", 10, 7),
        ("chat/pirate_training_set.jsonl", "messages", 10, 10),
        ("chat/v1_sft_demo.jsonl", "messages", 500, 500),
        ("classify/banking77_train.csv", "labels", 10003, 10003),
        ("classify/rte/train.tsv", "sentence_pairs", 2127, 2127),
        ("classify/cola/in_domain_train.tsv", "unknown", 8551, 0),
        ("chat/glaive_toolcall_en_demo.json", "conversations", 300, 300),
        ("chat/dataset_info.json", "unknown", 1, 0),
        ("commonsense/boolq/train.json", "instructions", 9427, 9427),
        ("instruct/p3_social_i_qa_Show_choices_and_generate_answer.jsonl", "pairs", 200, 200),
        ("math/gsm8k_official/test.jsonl", "pairs", 1319, 1319),
        ("messy/airline_reviews.tsv", "labels", 1700, 1700),
        ("instruct/pyreft_emoji_10.json", "pairs", 10, 10),
        ("instruct/ultrafeedback_1k.json", "instructions", 1000, 999),
        ("instruct/alpaca_5000.json", "instructions", 5000, 4998),
        ("math/mawps/test.json", "instructions", 238, 238),
        ("messy/sms_spam.csv", "unknown", 5572, 0),
        ("messy/cabinet_turnover.csv", "unknown", 379, 0),
        ("preference/dpo_en_demo.json", "preferences", 300, 300),
        ("steer/axbench_concept10_train.parquet", "pairs", 936, 936),
    ],
)
def test_real_files(shared, name, shape, rows, usable):
    found = inspect_file(shared / "data" / name)
    assert (found.shape, found.rows, found.usable_rows) == (shape, rows, usable)


@pytest.mark.slow
def test_every_real_file_is_read_at_once(shared):
    for path in sorted(path for path in (shared / "data").rglob("*") if path.is_file() and path.name != "README.md"):
        begun = time.process_time()
        found = inspect_file(path)
        assert found.rows and found.sentence and (found.usable_rows or found.problems or found.needs_mapping)
        assert time.process_time() - begun < ENDLESS


@pytest.mark.slow
def test_the_lines_of_a_real_file_are_where_its_rows_stand(shared):
    path = shared / "data/classify/banking77_train.csv"
    lines = path.read_text(encoding="utf-8").replace('""', '"').split("\n")
    found = inspect_file(path)
    assert all(
        example.messages[0].content.strip()[:10] in "".join(lines[example.line - 1 : example.line + 3]) for example in found.examples
    )
    assert len({example.line for example in found.examples}) == 10003
