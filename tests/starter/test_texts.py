"""The word tables and templates are files that an editor does not spoil, and a slip in one is told."""

import pytest

from starter_training import texts

FILES = sorted(path for folder in ("tables", "words", "templates") for path in (texts.FOLDER / folder).rglob("*") if path.is_file())
NAMES = [path.relative_to(texts.FOLDER).as_posix() for path in FILES]
TABLES = [name.removeprefix("tables/").removesuffix(".tsv") for name in NAMES if name.startswith("tables/")]
RECORDS = ["templates/plots", "templates/relations"]
LISTS = [name.removesuffix(".txt") for name in NAMES if name.endswith(".txt") and name.removesuffix(".txt") not in RECORDS]


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Files of our own in place of the starter's."""

    def write(name: str, content: str) -> None:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")

    monkeypatch.setattr(texts, "FOLDER", tmp_path)
    return write


def test_all_files_are_utf_8_with_plain_lines():
    assert len(FILES) > 100
    for path in FILES:
        content = path.read_bytes()
        assert content.endswith(b"\n") and b"\r" not in content and content.decode("utf-8"), path
        assert not [line for line in content.split(b"\n") if line != line.rstrip()], f"{path}: an editor would cut off the end of a line"


def test_every_table_and_every_list_is_read():
    assert sum(len(texts.table(name)) for name in TABLES) > 2500
    assert sum(len(phrases) for name in LISTS for phrases in texts.lists(name).values()) > 5000
    assert sum(len(texts.records(name)) for name in RECORDS) > 100


def test_no_field_of_a_table_is_empty():
    for name in TABLES:
        assert all(field == field.strip() != "" for row in (texts.columns(name), *texts.table(name)) for field in row), name


def test_phrases_may_be_empty_have_lines_and_stand_there_twice(files):
    files("words/own.txt", "== one\na\na\n(nothing)\n\n== two words\nQ: {}\\nA:\n")
    assert texts.lists("words/own") == {"one": ("a", "a", ""), "two words": ("Q: {}\nA:",)}


def test_a_table_has_columns_and_rows(files):
    files("tables/own.tsv", "name\tsound\ncat\tmeow\nowl\thoot, hoot\n")
    assert texts.columns("own") == ("name", "sound")
    assert texts.table("own") == (("cat", "meow"), ("owl", "hoot, hoot"))


def test_a_row_of_too_few_fields_is_refused(files):
    files("tables/short.tsv", "name\tsound\ncat\n")
    with pytest.raises(ValueError, match=r"tables/short.tsv has 2 columns, but not in \('cat',\)"):
        texts.table("short")


@pytest.mark.parametrize("content", ["a phrase\n", "== one\na\n\n== one\nb\n"])
def test_phrases_without_a_heading_of_their_own_are_refused(files, content):
    name = f"words/{len(content)}"
    files(f"{name}.txt", content)
    with pytest.raises(ValueError, match="is no heading of its own"):
        texts.lists(name)


def test_records_keep_the_order_of_their_values(files):
    files("templates/own.txt", "name: one\nask: Why: how?\nask: When?\n\nname: two\n")
    assert texts.records("templates/own") == ({"name": ("one",), "ask": ("Why: how?", "When?")}, {"name": ("two",)})
