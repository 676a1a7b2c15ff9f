"""Counts and findings are those of what is really trained on."""

import json
from dataclasses import replace

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from reft_engine import Example, Preference, ReftConfig, TrainConfig, train
from reft_engine.base.loading import TEXT_TEMPLATE
from reft_engine.data import Message, StoredExamples, dump_examples, inspect_file, row_of
from reft_engine.data.row_check import BINS, RowCheck
from reft_engine.data.splitting import Sides
from reft_engine.errors import DataError
from reft_engine.tokens.spelling import badly_spelt
from reft_engine.training.events import RowsEvent
from reft_engine.training.objectives import objective_for
from reft_engine.training.row_check import LISTED, check_rows, count_rows, read_checked
from reft_engine.training.rows import read_rows
from tests.reft_engine.data.test_splitting import of_all_kinds

SHORT = [(f"What is {number} plus {number}?", f"It is {number + number}.") for number in range(12)]
LONG = [(f"{number} why " * 300, "yes") for number in range(30)]
CHINESE = [(f"猫坐在{number}个垫子上吗", f"是的。猫坐在{number}个垫子上。") for number in range(12)]


def kinds(check):
    return [finding.kind for finding in check.findings]


def finding(check, kind):
    return next(each for each in check.findings if each.kind == kind)


def ask(line, question, answer, row=0):
    return Example(line, (Message("user", question),), answer, row)


# Counts


def test_rows_that_are_too_long_are_counted_and_listed(starter):
    check = check_rows(starter, [*SHORT, *LONG])
    assert (check.rows, check.usable_rows, check.rows_left_out) == (42, 12, 30)
    assert (check.trained, check.held_out, check.examples) == (11, 1, 12)
    assert check.sentence == "Of 42 rows, 12 can be trained on with starter; 30 are left out: the prompt alone fills all 512 tokens."
    long = finding(check, "too_long")
    assert long.count == 30 and long.lines == tuple(range(13, 43)) and long.excerpts[0].startswith("0 why 0 why")
    assert check.run_sentence.startswith("Training on 11 rows; 1 is held out to measure with. Of the 42 rows of the file, 30 are left out:")


def test_lines_that_could_not_be_read_are_rows_that_are_left_out(starter):
    check = check_rows(starter, [*SHORT, *LONG], rows=45)
    assert (check.rows, check.usable_rows, check.rows_left_out) == (45, 12, 33)
    reasons = "3 because they are incomplete or unreadable, 30 because the prompt alone fills all 512 tokens."
    assert f"33 are left out: {reasons}" in check.sentence


def test_the_counts_are_those_of_the_split(starter):
    settings = TrainConfig(held_out=0.25, seed=3)
    objective = objective_for(starter, ReftConfig(), settings, [])
    read = read_rows(objective, [ask(line, *row) for line, row in enumerate(SHORT, 1)])
    split = read.split(0.25, 3)
    check = count_rows(split, objective)
    assert check == check_rows(starter, SHORT, None, settings)
    assert (check.trained, check.held_out) == (len(split.trained), len(split.held_out)) == (9, 3)
    assert check.tokens == sum(row.encoded.length for row in split.trained)
    assert check.longest == max(row.encoded.length for row in read.usable)


def test_a_run_draws_its_split_once(tiny, monkeypatch):
    drawn = []
    indices = Sides.indices
    monkeypatch.setattr(Sides, "indices", lambda *args: drawn.append(indices(*args)) or drawn[-1])
    told = []
    train(tiny, SHORT, ReftConfig(rank=2), TrainConfig(held_out=0.25, seed=3, epochs=1), on_event=told.append)
    ((trained, held),) = drawn
    (event,) = [event for event in told if isinstance(event, RowsEvent)]
    assert (event.check.trained, event.check.held_out) == (len(trained), len(held))
    assert list(event.held_out_places) == list(held)


def test_the_longest_row_is_at_most_the_base_models_context(tiny):
    assert check_rows(tiny, SHORT, None, TrainConfig(max_length=5000)).max_length == tiny.context == 160


def test_cut_answers_are_counted(starter):
    check = check_rows(starter, [*SHORT, ("Count.", "one two three " * 60)], None, TrainConfig(max_length=64))
    assert check.cut_answers == 1 and check.usable_rows == 13 and check.longest == 64
    assert check.cut_sentence == "1 answer is cut at the end to fit 64 tokens."
    assert check.cut_sentence in check.run_sentence and finding(check, "cut").lines == (13,)


def test_texts_that_are_classified_are_cut_and_counted_too(starter):
    config = ReftConfig(labels=("a", "b"))
    check = check_rows(starter, [("word " * 80, "a"), ("word", "b"), ("word", "c")], config, TrainConfig(max_length=64))
    assert (check.cut_answers, check.usable_rows, check.rows_left_out) == (1, 2, 1)
    assert "'c' is none of the labels" in finding(check, "refused").text


def test_the_answers_of_a_chat_are_one_row(starter):
    chat = (Message("user", "Hi"), Message("assistant", "Hello"), Message("user", "word " * 600))
    check = check_rows(starter, [Example(7, chat[:1], "Hello", 1), Example(7, chat, "Bye", 1), ask(7, "Hi there", "Hello", 2)])
    assert (check.rows, check.usable_rows, check.rows_left_out, check.examples) == (2, 2, 0, 2)
    assert finding(check, "partly").lines == (1,), "where rows share a line they are told by their numbers"


@pytest.mark.parametrize("content", ["[{}]", "[\n{}\n]"], ids=["one line", "lines"])
def test_rows_of_a_json_list_are_counted_wherever_its_lines_break(starter, tmp_path, content):
    path = tmp_path / "rows.json"
    rows = [{"prompt": prompt, "answer": "yes"} for prompt in ("a", "b", "word " * 600, "c")]
    path.write_text(content.format(", ".join(map(json.dumps, [*rows, {"prompt": "d"}]))))
    found = inspect_file(path)
    check = check_rows(starter, found.examples, rows=found.rows)
    assert (check.rows, check.usable_rows, check.rows_left_out) == (5, 3, 2)
    assert finding(check, "too_long").lines == (3,)
    assert [row_of(example) for example in found.examples] == [1, 2, 3, 4]


def test_repeats_among_held_out_rows_are_said_to_be_unused(starter):
    check = check_rows(starter, SHORT[:4] * 2, None, TrainConfig(held_out=0.5))
    assert (check.trained, check.held_out) == (4, 2)
    assert "2 more are not used" in check.run_sentence


def test_both_answers_of_a_preference_pair_are_read(starter):
    pairs = [(question, answer, "No.") for question, answer in SHORT]
    objective = objective_for(starter, ReftConfig(), TrainConfig(held_out=0), [Preference(1, (), "a", "b")])
    read = read_rows(objective, [Preference(line, (Message("user", a),), b, c) for line, (a, b, c) in enumerate(pairs, 1)])
    check = count_rows(read.split(0, 42), objective)
    assert check.tokens == sum(row.encoded.chosen.length + row.encoded.rejected.length for row in read.usable)
    assert check == check_rows(starter, pairs, None, TrainConfig(held_out=0))


def test_where_no_row_can_be_learned_a_run_cannot_start(starter):
    check = check_rows(starter, LONG)
    assert not check.can_start and check.tokens == check.longest == check.usable_rows == 0
    assert check.sentence.startswith("Of 30 rows, none can be trained on with starter; 30 are left out")
    assert check_rows(starter, SHORT[:1]).can_start
    assert check_rows(starter, SHORT[:1]).sentence == "The row can be trained on with starter."


def test_a_check_crosses_http(starter):
    check = check_rows(starter, [*SHORT, *LONG, *CHINESE])
    assert RowCheck.model_validate_json(check.model_dump_json()) == check


def test_it_tells_how_far_it_has_come(starter):
    told = []
    check_rows(starter, SHORT * 100, on_progress=lambda done, total: told.append((done, total)))
    assert told == [(0, 1200), (500, 1200), (1000, 1200)]


@pytest.mark.parametrize("kind", ["plain", "groups", "chats", "pairs", "own split"])
def test_rows_that_are_read_once_are_divided_and_counted_as_a_run_does_it(starter, tmp_path, kind):
    examples = [*of_all_kinds(kind), *of_all_kinds(kind, 8)]
    examples.insert(7, replace(examples[7], messages=(Message("user", "why " * 600),)))
    (tmp_path / "rows").write_bytes(dump_examples(examples))
    checked = read_checked(starter, StoredExamples(tmp_path / "rows"))
    objective = objective_for(starter, ReftConfig(), TrainConfig(), examples)
    read = read_rows(objective, examples)
    for share, seed in ((0.0, 1), (0.1, 1), (0.1, 2), (0.5, 3)):
        split = read.split(share, seed)
        trained, held_out = checked.sides.indices(share, seed)
        assert [row.index for row in split.trained] == checked.places[trained].tolist()
        assert [row.index for row in split.held_out] == checked.places[held_out].tolist()
        assert checked.divided(share, seed) == count_rows(split, objective)
    assert checked.size < 48 * len(examples), "of a pair it keeps the lengths of two sequences"


def test_rows_of_two_kinds_are_refused_wherever_the_second_kind_begins(starter):
    with pytest.raises(DataError, match="cannot be mixed"):
        check_rows(starter, [*SHORT, ("a", "b", "c")])


# Lengths


def test_lengths_are_counted_by_powers_of_two_with_what_is_too_long(starter):
    rows = [*SHORT, ("Count.", "one two three " * 60), ("why " * 100, "yes")]
    check = check_rows(starter, rows, None, TrainConfig(max_length=64, held_out=0))
    read = read_rows(objective_for(starter, ReftConfig(), TrainConfig(), []), [ask(line, *row) for line, row in enumerate(rows, 1)])
    for found, lengths in (
        (check.prompts, [len(row.encoded.prompt_ids) for row in read.usable]),
        (check.answers, [len(row.encoded.answer_ids) for row in read.usable][:-1]),  # of what is too long there is no answer
    ):
        assert sum(found.counts) == len(lengths) and len(found.counts) == len(found.over) == BINS
        for number, count in enumerate(found.counts):
            assert count == sum(2**number <= length < 2 ** (number + 1) for length in lengths)
        assert found.longest == max(lengths) > 64, "those beyond the longest row have their whole length"
        assert sum(length <= found.half for length in lengths) >= len(lengths) / 2 > sum(length < found.half for length in lengths)
        assert sum(found.over) == 1 and found.over[found.longest.bit_length() - 1] == 1
    usable = [row.encoded for row in read.usable][:12]
    answers, tokens = sum(len(row.answer_ids) for row in usable), sum(row.length for row in usable)
    cut = 64 - len(read.usable[12].encoded.prompt_ids)
    assert check.learned == pytest.approx((answers + cut) / (tokens + 64))
    assert check.lengths_sentence == (
        f"Half of the prompts have at most {check.prompts.half} tokens, the longest {check.prompts.longest}. "
        f"Half of the answers have at most {check.answers.half} tokens, the longest {check.answers.longest}; "
        f"{check.learned:.0%} of all tokens are learned."
    )


def test_of_texts_that_are_classified_the_texts_alone_have_lengths(starter):
    rows = [("word " * 80, "a"), ("word", "b")]
    check = check_rows(starter, rows, ReftConfig(labels=("a", "b")), TrainConfig(max_length=64))
    assert sum(check.prompts.counts) == 2 and sum(check.prompts.over) == 1 and check.prompts.longest > 80
    assert check.answers.counts == () and check.learned == 0 and "learned" not in check.lengths_sentence
    assert check_rows(starter, []).lengths_sentence == ""


# Findings


def test_good_rows_give_no_finding(starter):
    check = check_rows(starter, SHORT)
    assert check.findings == () and check.notes == ["All 12 rows can be trained on with starter."]


def test_rows_in_letters_that_the_starter_cannot_read_are_found(starter):
    check = check_rows(starter, [*SHORT, *CHINESE])
    (found,) = check.findings
    assert (found.kind, found.count, found.lines) == ("letters", 12, tuple(range(13, 25)))
    assert "猫坐在0个垫子上吗" in found.excerpts[0] and "starter" in found.text


def test_they_are_found_also_where_they_are_too_long(starter):
    check = check_rows(starter, [(question * 40, answer) for question, answer in CHINESE])
    assert kinds(check) == ["too_long", "letters"]


def test_an_answer_in_such_letters_is_found_behind_a_long_english_prompt(starter):
    row = ("Please translate this sentence into Chinese for me: the cat sits on the mat and looks at the dog.", "猫坐在垫子上")
    assert kinds(check_rows(starter, [*SHORT, row])) == ["letters"]


@pytest.mark.parametrize("answer", ["😀🎉", "❤️ 1️⃣ 👩‍👩‍👧 🏴‍☠️", "👍🏽", "It costs 5 € — naïve, is it?", "Zoë's café"])
def test_emoji_and_a_few_foreign_letters_are_no_finding(starter, answer):
    assert check_rows(starter, [*SHORT, ("How much?", answer)]).findings == ()


LETTERS = [*"abcdefghijklmnopqrstuvwxyzäöüß?."]
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def byte_fallback_bpe():
    vocabulary = {piece: index for index, piece in enumerate(["<unk>", *BYTES, "▁", *LETTERS])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    return tokenizer, "<unk>"


def byte_fallback_unigram():
    scores = [("<unk>", 0.0), *((piece, -20.0) for piece in BYTES), *((piece, -3.0) for piece in ["▁", *LETTERS])]
    tokenizer = Tokenizer(models.Unigram(scores, unk_id=0, byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    return tokenizer, "<unk>"


def word_piece():
    pieces = ["[UNK]", *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    tokenizer = Tokenizer(models.WordPiece({piece: index for index, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer, "[UNK]"


def dropping_bpe():
    """Drops what it does not know."""
    return Tokenizer(models.BPE({letter: index for index, letter in enumerate([*LETTERS, " "])}, [])), None


def behind(starter, build):
    """The starter behind another tokenizer; nothing is computed with it."""
    tokenizer, unknown = build()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **({"unk_token": unknown} if unknown else {}))
    return replace(starter, tokenizer=fast, template=TEXT_TEMPLATE)


ROWS = [
    ["wer sitzt da", "die katze"], ["größe", "süß"], ["ü", "ä"], ["da 😀", "❤️"],
    ["猫坐在垫子上", "是的"], ["wie heisst das", "猫"], ["кто", "кот"],
]  # fmt: skip


@pytest.mark.parametrize("build", [byte_fallback_bpe, byte_fallback_unigram, word_piece, dropping_bpe])
def test_letters_in_bytes_unknown_or_dropped_are_found_with_every_kind_of_tokenizer(starter, build):
    assert badly_spelt(behind(starter, build), ROWS) == [False] * 4 + [True] * 3


@pytest.mark.parametrize("build", [word_piece, dropping_bpe])
def test_words_in_ascii_that_are_unknown_are_found(starter, build):
    assert badly_spelt(behind(starter, build), [["wer", "das"], ["wer", "007 4711"]]) == [False, True]


@pytest.mark.parametrize("build", [byte_fallback_bpe, byte_fallback_unigram])
def test_a_third_of_the_letters_is_not_yet_too_much(starter, build):
    rows = [["abcd", "猫猫ab"], ["ab", "猫猫abcd"], ["abcd", "猫abc"], ["猫猫猫b", "abcd"], ["猫猫猫b", "abcde"]]
    assert badly_spelt(behind(starter, build), rows) == [True, False, False, True, False]


@pytest.mark.parametrize("text", ["Dear {{name}},", "Dear {{ user.name }},", "Dear ${name},", "Dear {first_name},", "{% if x %}Hi"])
@pytest.mark.parametrize("side", [0, 1])
def test_placeholders_that_were_not_filled_in_are_found(starter, text, side):
    row = (text, "Hello.") if side == 0 else ("Say hello.", text)
    check = check_rows(starter, [*SHORT, row])
    assert kinds(check) == ["placeholders"] and finding(check, "placeholders").lines == (13,)


@pytest.mark.parametrize(
    "text", ['{"name": "Ann"}', "{1, 2, 3}", r"\frac{a}{b} + x^{n}", "if (x) { return; }", "{}", "{{1}}", "f'{x}'", "a {b c} d", "100 %"]
)
def test_braces_of_other_kinds_are_no_placeholders(starter, text):
    assert check_rows(starter, [*SHORT, ("Show me.", text)]).findings == ()


@pytest.mark.parametrize(("count", "few"), [(1, True), (9, True), (10, False)])
def test_fewer_than_ten_rows_are_found(starter, count, few):
    check = check_rows(starter, SHORT[:count])
    assert (kinds(check) == ["few"]) is few and check.can_start


def test_contradicting_answers_to_one_prompt_are_found(starter):
    rows = [*SHORT, ("Is it red?", "Yes."), ("is  it\nRED?", "No."), ("Is it red?", "yes. ")]
    check = check_rows(starter, rows, None, TrainConfig(held_out=0))
    (found,) = check.findings
    assert (found.kind, found.count, found.lines) == ("contradictions", 3, (13, 14, 15))
    assert found.text == "1 prompt has different answers, in 3 rows."


def test_one_answer_that_is_written_differently_is_no_contradiction(starter):
    rows = [*SHORT, ("Is it red?", "Yes."), ("Is it red?", " yes.")]
    assert check_rows(starter, rows, None, TrainConfig(held_out=0)).findings == ()


def test_one_question_with_different_system_messages_is_no_contradiction(starter):
    rows = [Example(99 + at, (Message("system", f"Be {at}."), Message("user", "Hi")), f"Hi {at}") for at in range(12)]
    assert check_rows(starter, rows).findings == ()


def test_preference_pairs_contradict_where_one_prefers_what_another_rejects(starter):
    pairs = [(question, answer, "No.") for question, answer in SHORT]
    settings = TrainConfig(held_out=0)
    assert check_rows(starter, [*pairs, (SHORT[0][0], "Zero!", "No.")], None, settings).findings == ()
    assert kinds(check_rows(starter, [*pairs, (SHORT[0][0], "no.", "Zero!")], None, settings)) == ["contradictions"]


def test_held_out_prompts_that_are_also_learned_are_found(starter):
    rows = [*SHORT, *((question.upper(), answer) for question, answer in SHORT)]
    check = check_rows(starter, rows, None, TrainConfig(held_out=0.5))
    found = finding(check, "leaks")
    objective = objective_for(starter, ReftConfig(), TrainConfig(), [])
    split = read_rows(objective, [ask(line, *row) for line, row in enumerate(rows, 1)]).split(0.5, 42)
    learned = {row.example.messages[0].content.lower() for row in split.trained}
    assert found.lines == tuple(row.example.line for row in split.held_out if row.example.messages[0].content.lower() in learned)
    assert check_rows(starter, rows, None, TrainConfig(held_out=0)).findings == ()


def test_a_finding_lists_the_first_rows_and_counts_all(starter):
    found = finding(check_rows(starter, [(f"Dear {{{{name}}}} {number}", "Hi") for number in range(80)]), "placeholders")
    assert found.count == 80 and len(found.lines) == len(found.excerpts) == LISTED


def test_an_excerpt_is_one_printable_line(starter):
    row = ("Dear {{name}}\n\u202e\t" + "x " * 90, "Hi\n" * 50)
    (excerpt,) = finding(check_rows(starter, [*SHORT, row]), "placeholders").excerpts
    assert excerpt.isprintable() and len(excerpt) < 130
