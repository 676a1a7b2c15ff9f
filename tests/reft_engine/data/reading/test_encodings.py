"""Encodings: certain ones, and candidates for the others."""

import codecs

import pytest

from reft_engine.data.reading.alphabets import ALPHABETIC, IDEOGRAPHIC
from reft_engine.data.reading.encodings import rank_encodings
from reft_engine.errors import DataError
from tests.reft_engine.data.reading.sentences import SENTENCES

OFFERED = ("windows-1252", "gb18030", "shift_jis", "koi8-r")
CASES = [(language, name, sentences) for language, (names, sentences) in SENTENCES.items() for name in names]


def first_reading(lines):
    """The lines in the encoding that is named first; empty if none is."""
    ranked = rank_encodings(lines)
    if not ranked:
        return []
    codec = (ALPHABETIC.get(ranked[0].name) or IDEOGRAPHIC[ranked[0].name])[0]
    return [line.decode(codec, "replace") for line in lines]


def encoded(sentences, name):
    """The sentences that the encoding can write."""
    lines = []
    for sentence in sentences:
        try:
            lines.append(sentence.encode(name))
        except UnicodeEncodeError:
            continue
    return lines


@pytest.mark.parametrize(("language", "name", "sentences"), CASES, ids=[f"{language}-{name}" for language, name, _ in CASES])
def test_a_few_sentences_name_their_encoding(language, name, sentences):
    lines = encoded(sentences, name)
    assert first_reading(lines) == [line.decode(name) for line in lines]


@pytest.mark.slow
@pytest.mark.parametrize("before", ["", "Translate, please: "])
def test_one_line_names_its_encoding_nearly_always(before):
    lines = [(name, before.encode(name) + line) for _, name, sentences in CASES for line in encoded(sentences, name)]
    hits = sum(first_reading([line]) == [line.decode(name)] for name, line in lines)
    assert (hits, len(lines)) == (269, 271)


@pytest.mark.parametrize(("language", "name", "sentences"), [case for case in CASES if case[1] in OFFERED])
def test_a_table_is_read_with_the_best_candidate_and_the_others_are_offered(read, language, name, sentences):
    content = "prompt,answer\n" + "".join(f'"{sentence}",x\n' for sentence in sentences)
    table, rows = read(content.encode(name))
    assert [row.values["prompt"] for row in rows] == sentences
    assert table.encoding == table.encodings[0].name == name and 2 <= len(table.encodings) <= 6
    assert any(sentences[0] in line for line in table.encodings[0].lines) and len(table.encodings[0].lines) <= 3
    assert table.notes[0].startswith("The file is not UTF-8; it was read as")
    confirmed, again = read(content.encode(name), encoding=table.encodings[0].name)
    assert confirmed.encodings == () and [row.values for row in again] == [row.values for row in rows]
    other, _ = read(content.encode(name), encoding=table.encodings[1].name)
    assert other.encoding == table.encodings[1].name


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
def test_a_few_bad_bytes_cost_their_lines(read, mark):
    good = [f"Frage {number},größer wäre schöner {number}" for number in range(50)]
    lines = [line.encode() for line in ["prompt,answer", *good]]
    lines[7] = b"it\x92s,a b\x96c"
    lines[20] = "é,\ud800".encode("utf-8", "surrogatepass")
    table, rows = read(mark + b"\n".join(lines))
    assert (table.encoding, table.encodings) == ("utf-8", ())
    assert [(row.line, row.lost, row.problem) for row in rows if row.values is None] == [
        (8, 1, "at column 3 there are bytes that are not UTF-8 (0x92)"),
        (21, 1, "at column 3 there are bytes that are not UTF-8 (0xED 0xA0 0x80)"),
    ]
    assert len(rows) == 50


@pytest.mark.parametrize("name", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
def test_utf16_and_marks_are_certain(read, name):
    table, rows = read("prompt,answer\ncafé,Zürich 日本\n".encode(name))
    assert rows[0].values == {"prompt": "café", "answer": "Zürich 日本"} and table.encodings == ()


def test_a_broken_pair_of_utf16_costs_its_line(read):
    content = "prompt,answer\na,b\n".encode("utf-16") + b"c\0,\0\x00\xd8d\0\n\0" + "e,f\n".encode("utf-16-le")
    _, rows = read(content)
    assert [(row.line, row.values and row.values["prompt"]) for row in rows] == [(2, "a"), (3, None), (4, "e")]


@pytest.mark.parametrize("name", ["klingon", "rot13", "base64", "idna", "undefined", "", "unicode_escape", "\0", "é"])
def test_an_encoding_that_is_none_is_refused_with_a_list(read, name):
    with pytest.raises(DataError, match="Known are utf-8, utf-16, windows-1252"):
        read("prompt,answer\na,b\n", encoding=name)


@pytest.mark.parametrize("name", ["latin-1", "CP1252", "UTF8", "utf-16-le", "mac_roman", "gbk"])
def test_an_encoding_may_be_any_that_python_knows(read, name):
    _, rows = read("prompt,answer\nabc,def\n".encode(name), encoding=name)
    assert rows[0].values == {"prompt": "abc", "answer": "def"}


def test_bytes_that_a_confirmed_encoding_does_not_have_cost_their_lines(read):
    _, rows = read(b"prompt,answer\na,\x80b\nc,\xff\xff\n", encoding="gb18030")
    assert all(row.values is None and "GB18030" in row.problem for row in rows)


@pytest.mark.slow
def test_real_files_that_are_not_utf8(shared, read):
    folder = shared / "cases/data"
    for name, encoding, sample in (
        ("10-excel-semicolon-cp1252.csv", "windows-1252", "Was ist größer, Maus oder Bär?"),
        ("36-gbk-chinese.csv", "gb18030", "好的"),
        ("38-mac-roman.csv", "mac-roman", "The café\u2019s déjà vu 0"),
    ):
        table, rows = read((folder / name).read_bytes())
        assert table.encoding == encoding and any(str(value).startswith(sample) for value in rows[0].values.values())
    for name, encoding in (("avengers.csv", "windows-1252"), ("ahca_polls.csv", "mac-roman")):
        assert read((shared / "data/messy" / name).read_bytes())[0].encoding == encoding
