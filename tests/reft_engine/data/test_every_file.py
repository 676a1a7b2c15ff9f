# ruff: noqa: RUF001 (letters as they stand in the files)
"""Every file of the collections, with what a person expects of it: shape, rows, roles, and the first row as it is learned.

Those whose columns nobody can know without being told (shape unknown) are refused in one sentence; `CHOSEN` says what a person tells.
"""

import pytest

from reft_engine.data import Columns, ReadOptions, inspect_file

FILES = [
    ("cases/data/01-kto-label-false.json", "judged", 5, 3, 0, "messages=messages label=weight", "Name a red fruit", "A cherry"),
    ("cases/data/02-openai-weight-0.jsonl", "messages", 5, 5, 0, "messages=messages", "Try again", "A cherry"),
    (
        "cases/data/04-sharegpt-system-column.json", "conversations", 5, 5, 0, "conversations=messages system=system",
        "Name a red fruit", "A CHERRY",
    ),
    ("cases/data/07-messages-json-string.csv", "messages", 5, 5, 0, "messages=messages", "Name a red fruit", "A cherry"),
    ("cases/data/09-parquet-messages-struct.parquet", "messages", 5, 5, 0, "messages=messages", "Name a red fruit", "A cherry"),
    ("cases/data/10-excel-semicolon-cp1252.csv", "unknown", 4, 0, 0, "", "", ""),
    ("cases/data/11-excel-sep-line.csv", "pairs", 5, 5, 0, "prompt=prompt answer=answer", "Name a red fruit", "A cherry"),
    ("cases/data/12-pandas-unnamed-index.csv", "pairs", 5, 5, 0, "prompt=prompt completion=answer", "Name a red fruit", "A cherry"),
    (
        "cases/data/14-context-question-answer.jsonl", "questions", 5, 5, 0, "context=context question=prompt answer=answer",
        "The fruit in box 0 is A cherry.\n\nWhat is", "A cherry",
    ),
    (
        "cases/data/16-squad-v1.json", "questions", 2, 2, 0, "context=context question=prompt answer=answer",
        "Lima is the capital of Peru.\n\nCapital of", "Lima",
    ),
    ("cases/data/19-classlabel.parquet", "labels", 4, 4, 0, "text=prompt label=label", "great film", "positive"),
    ("cases/data/20-splits-dict.json", "pairs", 6, 6, 0, "prompt=prompt answer=answer split=split", "Name a red fruit", "A cherry"),
    ("cases/data/21-split-column.csv", "pairs", 7, 7, 0, "prompt=prompt answer=answer split=split", "Name a red fruit", "A cherry"),
    ("cases/data/23-pandas-to-json-default.json", "pairs", 5, 5, 0, "prompt=prompt answer=answer", "Name a red fruit", "A cherry"),
    ("cases/data/26-jsonl-trailing-commas.jsonl", "pairs", 5, 5, 0, "prompt=prompt answer=answer", "Name a red fruit", "A cherry"),
    ("cases/data/27-jsonl-blank-crlf-bom.jsonl", "pairs", 5, 5, 0, "prompt=prompt answer=answer", "Name a red fruit", "A cherry"),
    (
        "cases/data/29-code-completion-indent.jsonl", "pairs", 5, 5, 0, "prompt=prompt completion=answer",
        "def f0(a, b):\n", "    return a + 0 * b\n",
    ),
    (
        "cases/data/30-nan-strings.csv", "instructions", 5, 5, 0, "instruction=prompt input=prompt output=answer",
        "Name a red fruit", "A cherry",
    ),
    ("cases/data/32-mixed-type-answers.jsonl", "pairs", 7, 5, 0, "prompt=prompt answer=answer", "Is 2 even?", "true"),
    ("cases/data/33-duplicate-columns.csv", "pairs", 5, 5, 0, "prompt=prompt answer=answer", "Name a red fruit", "A cherry"),
    (
        "cases/data/36-gbk-chinese.csv", "instructions", 6, 6, 0, "instruction=prompt input=prompt output=answer",
        "Translate to Chinese please  kindly and ", "好的第0个",
    ),
    ("cases/data/38-mac-roman.csv", "pairs", 6, 6, 0, "prompt=prompt answer=answer", "Who’s on first  don’t ask 0", "The café’s déjà vu 0"),
    ("cases/data/39-tool-calls-openai.jsonl", "messages", 2, 2, 0, "messages=messages", "Weather in Oslo?\n\n3 C", "It is 3 C in Oslo."),
    ("cases/data/42-trl-prompt-completion-chat.jsonl", "pairs", 5, 5, 0, "prompt=prompt completion=answer", "Name a red fruit", "A cherry"),
    ("cases/data/43-sharegpt-human-bot-names.json", "conversations", 5, 5, 0, "conversations=messages", "Name a red fruit", "A cherry"),
    ("cases/data/46-empty-system.jsonl", "messages", 5, 5, 0, "messages=messages", "Name a red fruit", "A cherry"),
    ("cases/data/49-dict-of-rows.json", "pairs", 5, 5, 0, "prompt=prompt answer=answer", "Name a red fruit", "A cherry"),
    ("cases/data/57-first-rows-empty.csv", "pairs", 400, 190, 0, "prompt=prompt answer=answer", "Question 210", "gold 210"),
    (
        "cases/data/59-two-texts-label.tsv", "sentence_pairs", 6, 6, 0, "sentence1=prompt sentence2=prompt label=label",
        "It rains 0\n\nThe ground is wet 0", "entailment",
    ),
    ("cases/data/70-stray-quote-swallows.csv", "pairs", 11, 10, 1, "prompt=prompt answer=answer", "q1", "a1"),
    ("cases/data/71-concatenated-csv.csv", "pairs", 3, 3, 0, "prompt=prompt answer=answer", "q1", "a1"),
    ("cases/data/72-title-line-above-header.csv", "pairs", 2, 2, 0, "prompt=prompt answer=answer", "q1", "a1"),
    ("cases/data/74-json-one-broken-row.json", "pairs", 5, 4, 1, "prompt=prompt answer=answer", "a", "b"),
    ("data/chat/dataset_info.json", "unknown", 1, 0, 0, "", "", ""),
    (
        "data/chat/glaive_toolcall_en_demo.json", "conversations", 300, 300, 0, "conversations=messages",
        "Hi, I have some ingredients and I want t", "Of course! I can help you with",
    ),
    (
        "data/chat/oasst_en_100_message.jsonl", "trees", 105, 105, 0, "messages=messages",
        "How can I find the best 401k plan for my", "The first step is to research ",
    ),
    (
        "data/chat/pirate_training_set.jsonl", "messages", 10, 10, 0, "messages=messages",
        "Is Xbox better than PlayStation?", "Ahoy matey, I be sorry but I c",
    ),
    (
        "data/chat/toy_chat_fine_tuning.jsonl", "messages", 10, 7, 0, "messages=messages",
        "I fell off my bike today.", "It's great that you're getting",
    ),
    ("data/chat/v1_sft_demo.jsonl", "messages", 500, 500, 0, "messages=messages", "hi", "Hello! I am {{name}}, an AI as"),
    ("data/classify/banking77_test.csv", "labels", 3080, 3080, 0, "text=prompt category=label", "How do I locate my card?", "card_arrival"),
    (
        "data/classify/banking77_train.csv", "labels", 10003, 10003, 0, "text=prompt category=label",
        "I am still waiting on my card?", "card_arrival",
    ),
    ("data/classify/cola/in_domain_dev.tsv", "unknown", 527, 0, 0, "", "", ""),
    ("data/classify/cola/in_domain_train.tsv", "unknown", 8551, 0, 0, "", "", ""),
    (
        "data/classify/rte/dev.tsv", "sentence_pairs", 277, 277, 0, "sentence1=prompt sentence2=prompt label=label",
        "Dana Reeve, the widow of the actor Chris", "not_entailment",
    ),
    (
        "data/classify/rte/train.tsv", "sentence_pairs", 2127, 2127, 0, "sentence1=prompt sentence2=prompt label=label",
        "No Weapons of Mass Destruction Found in ", "not_entailment",
    ),
    ("data/classify/sst2/dev.tsv", "labels", 872, 872, 0, "sentence=prompt label=label", "it 's a charming and often affecting jou", "1"),
    (
        "data/classify/sst2/train.tsv.gz", "labels", 67349, 67349, 0, "sentence=prompt label=label",
        "hide new secretions from the parental un", "0",
    ),
    (
        "data/commonsense/ARC-Challenge/test.json", "instructions", 1172, 1172, 0, "instruction=prompt input=prompt output=answer",
        "Please choose the correct answer to the ", "the correct answer is answer3",
    ),
    (
        "data/commonsense/ARC-Challenge/train.json", "instructions", 1119, 1119, 0, "instruction=prompt input=prompt output=answer",
        "Please choose the correct answer to the ", "the correct answer is answer1",
    ),
    (
        "data/commonsense/ARC-Easy/test.json", "instructions", 2376, 2376, 0, "instruction=prompt input=prompt output=answer",
        "Please choose the correct answer to the ", "the correct answer is answer1",
    ),
    (
        "data/commonsense/ARC-Easy/train.json", "instructions", 2251, 2251, 0, "instruction=prompt input=prompt output=answer",
        "Please choose the correct answer to the ", "the correct answer is answer2",
    ),
    (
        "data/commonsense/boolq/test.json", "instructions", 3270, 3270, 0, "instruction=prompt input=prompt output=answer",
        "Please answer the following question wit", "the correct answer is false",
    ),
    (
        "data/commonsense/boolq/train.json", "instructions", 9427, 9427, 0, "instruction=prompt input=prompt output=answer",
        "Please answer the following question wit", "the correct answer is true",
    ),
    (
        "data/commonsense/hellaswag_4k/train.json.gz", "instructions", 4000, 4000, 0, "instruction=prompt input=prompt output=answer",
        "Please choose the correct ending to comp", "the correct answer is ending4",
    ),
    (
        "data/commonsense/openbookqa/test.json", "instructions", 500, 500, 0, "instruction=prompt input=prompt output=answer",
        "Please choose the correct answer to the ", "the correct answer is answer2",
    ),
    (
        "data/commonsense/openbookqa/train.json", "instructions", 4957, 4957, 0, "instruction=prompt input=prompt output=answer",
        "Please choose the correct answer to the ", "the correct answer is answer4",
    ),
    (
        "data/commonsense/piqa/test.json", "instructions", 1838, 1838, 0, "instruction=prompt input=prompt output=answer",
        "Please choose the correct solution to th", "the correct answer is solution",
    ),
    (
        "data/commonsense/social_i_qa/test.json", "instructions", 1954, 1954, 0, "instruction=prompt input=prompt output=answer",
        "Please choose the correct answer to the ", "the correct answer is answer3",
    ),
    (
        "data/commonsense/winogrande/test.json", "instructions", 1267, 1267, 0, "instruction=prompt input=prompt output=answer",
        "Please choose the correct answer to fill", "the correct answer is option2",
    ),
    (
        "data/instruct/alpaca_5000.json", "instructions", 5000, 4998, 0, "instruction=prompt input=prompt output=answer",
        "Are the two sentences below grammaticall", "No",
    ),
    (
        "data/instruct/alpaca_en_demo.json", "instructions", 999, 999, 0, "instruction=prompt input=prompt output=answer",
        "Describe a process of making crepes.", "Making crepes is an easy and d",
    ),
    (
        "data/instruct/dolly_validation_151.jsonl", "pairs", 151, 151, 0, "prompt=prompt answer=answer",
        "Below is an instruction that describes a", "The American Film Institute an",
    ),
    (
        "data/instruct/identity.json", "instructions", 91, 91, 0, "instruction=prompt input=prompt output=answer",
        "hi", "Hello! I am {{name}}, an AI as",
    ),
    (
        "data/instruct/p3_social_i_qa_Show_choices_and_generate_answer.jsonl", "pairs", 200, 200, 0, "prompt=prompt completion=answer",
        "Cameron decided to have a barbecue and g", "like attending",
    ),
    ("data/instruct/pyreft_emoji_10.json", "pairs", 10, 10, 0, "column 1=prompt column 2=answer", "Who are you?", "🤖💬🌐🧠"),
    (
        "data/instruct/seed_tasks.jsonl", "instructions", 175, 175, 0, "instruction=prompt input=prompt output=answer",
        "Is there anything I can eat for a breakf", "Yes, you can have 1 oatmeal ba",
    ),
    (
        "data/instruct/text_davinci_003_outputs.json", "instructions", 805, 803, 0, "instruction=prompt output=answer",
        "What are the names of some famous actors", "Some famous actors that starte",
    ),
    (
        "data/instruct/ultrafeedback_1k.json", "instructions", 1000, 999, 0, "instruction=prompt input=prompt output=answer",
        "how can i develop a habit of drawing dai", "Developing a daily habit of dr",
    ),
    (
        "data/math/AQuA/test.json", "instructions", 254, 254, 0, "instruction=prompt input=prompt output=answer",
        "Roberts has a property worth of $1023.65", "\nRationale: The greatest posit",
    ),
    (
        "data/math/SVAMP/test.json", "instructions", 1000, 1000, 0, "instruction=prompt input=prompt output=answer",
        "Matthew gave equal numbers of crackers a", "\nA: Matthew gave equal numbers",
    ),
    (
        "data/math/gsm8k/test.json", "instructions", 1319, 1313, 0, "instruction=prompt input=prompt output=answer",
        "Mr Boarden is remodeling his bathroom. F", "\nA: He needs 24 tiles for ever",
    ),
    (
        "data/math/gsm8k_official/test.jsonl", "pairs", 1319, 1319, 0, "question=prompt answer=answer",
        "Janet’s ducks lay 16 eggs per day. She e", "Janet sells 16 - 3 - 4 = <<16-",
    ),
    (
        "data/math/gsm8k_official/train.jsonl.gz", "pairs", 7473, 7473, 0, "question=prompt answer=answer",
        "Natalia sold clips to 48 of her friends ", "Natalia sold 48/2 = <<48/2=24>",
    ),
    (
        "data/math/math_data.json", "instructions", 3260, 3257, 0, "instruction=prompt input=prompt output=answer",
        "Julia played tag with 16 kids on monday.", "\nA: She played with 16 kids on",
    ),
    (
        "data/math/mawps/test.json", "instructions", 238, 238, 0, "instruction=prompt answer=answer",
        "Nicole found an orange caterpillar and a", "1.8333333333333335",
    ),
    ("data/math/mawps/testset.json", "unknown", 238, 0, 0, "", "", ""),
    ("data/math/mawps/trainset.json", "unknown", 1898, 0, 0, "", "", ""),
    ("data/math/mawps/validset.json", "unknown", 237, 0, 0, "", "", ""),
    ("data/messy/ahca_polls.csv", "unknown", 15, 0, 0, "", "", ""),
    (
        "data/messy/airline_reviews.tsv", "labels", 1700, 1700, 0, "sentence=prompt label=label",
        "WAW-SKJ Economy. No free snacks or drink", "0",
    ),
    ("data/messy/avengers.csv", "unknown", 173, 0, 0, "", "", ""),
    ("data/messy/cabinet_turnover.csv", "unknown", 379, 0, 0, "", "", ""),
    ("data/messy/comma_survey.csv", "unknown", 1129, 0, 0, "", "", ""),
    ("data/messy/mayweather_mcgregor_tweets.csv.gz", "unknown", 12118, 0, 0, "", "", ""),
    ("data/messy/sms_spam.csv", "unknown", 5572, 0, 0, "", "", ""),
    (
        "data/messy/truthfulqa.csv", "pairs", 817, 817, 0, "Question=prompt Best Answer=answer",
        "What happens to you if you eat watermelo", "The watermelon seeds pass thro",
    ),
    (
        "data/preference/dpo_en_demo.json", "preferences", 300, 300, 0, "conversations=messages chosen=answer rejected=rejected",
        "Hi! I'd like to create a new language ga", "That sounds like a fun and eng",
    ),
    (
        "data/steer/axbench_concept10_eval.parquet", "pairs", 770, 770, 0, "input=prompt output=answer",
        "What ancient organization invented the c", "The concept of Democracy was f",
    ),
    (
        "data/steer/axbench_concept10_train.parquet", "pairs", 936, 936, 0, "input=prompt output=answer",
        "Why do some people select private school", "There are many reasons why som",
    ),
    ("data/steer/persona_extraversion.jsonl", "unknown", 1000, 0, 0, "", "", ""),
    ("data/steer/persona_interest-in-science.jsonl", "unknown", 1000, 0, 0, "", "", ""),
    ("data/steer/persona_risk-seeking.jsonl", "unknown", 1000, 0, 0, "", "", ""),
]  # fmt: skip
"""Path, shape, rows, usable rows, lost lines, roles, and the beginnings of the first prompt and answer."""
CHOSEN = [
    (
        "cases/data/10-excel-semicolon-cp1252.csv", "windows-1252", "Frage=prompt Antwort=answer", 4,
        "Was ist größer, Maus oder Bär?", "Der Bär",
    ),
    ("data/messy/sms_spam.csv", "windows-1252", "v2=prompt v1=label", 5572, "Go until jurong point, crazy.. Available only", "ham"),
    ("data/messy/ahca_polls.csv", "mac-roman", "Text=prompt Favor=answer", 15, "Do you support or oppose the health care", "24"),
    ("data/messy/avengers.csv", "windows-1252", "Notes=prompt Gender=label", 173, "Merged with Ultron in Rage of Ultron", "MALE"),
    (
        "data/messy/comma_survey.csv", "", "How would you write the following sentence?=prompt Gender=label", 1033,
        "Some experts say", "Male",
    ),
    ("data/messy/mayweather_mcgregor_tweets.csv.gz", "", "text=prompt emojis=label", 12118, "Ringe çıkmadan ateş", "True"),
    (
        "data/messy/cabinet_turnover.csv", "", "president=context position=prompt appointee=answer", 379,
        "Carter\n\nOMB Director", "Bert Lance",
    ),
    ("data/classify/cola/in_domain_train.tsv", "", "column 4=prompt column 2=label", 8548, "Our friends won't buy this analysis", "1"),
    ("data/math/mawps/trainset.json", "", "original_text=prompt ans=answer", 1898, "A waiter had 22 customers in his section", "2.0"),
    (
        "data/steer/persona_extraversion.jsonl", "", "question=prompt answer_matching_behavior=label", 1000,
        "Is the following statement", "Yes",
    ),
]  # fmt: skip
"""Path, encoding and roles that a person gives, usable rows, and the beginnings of the first prompt and answer."""

pytestmark = pytest.mark.slow


def roles_of(text):
    """Roles as they are written above, COLUMN=ROLE with blanks between."""
    names, rest = {}, text
    while rest:
        column, _, rest = rest.partition("=")
        role, _, rest = rest.partition(" ")
        names[column] = role
    return names


def beginning(found):
    first = found.examples[0]
    prompt = first.messages[-1].content if first.messages else ""
    return prompt, getattr(first, "answer", None) or first.chosen


@pytest.mark.parametrize(("path", "shape", "rows", "usable", "lost", "roles", "prompt", "answer"), FILES, ids=[each[0] for each in FILES])
def test_each_file_is_read_as_a_person_expects(shared, path, shape, rows, usable, lost, roles, prompt, answer):
    found = inspect_file(shared / path)
    assert (found.shape, found.rows, found.usable_rows, found.lost_lines) == (shape, rows, usable, lost)
    assert found.needs_mapping == (shape == "unknown")
    if shape == "unknown":
        assert found.examples == () and found.roles == {} and "Say which is the prompt" in found.sentence
        return
    assert {column: role for column, role in found.roles.items() if role != "ignore"} == roles_of(roles)
    said = beginning(found)
    assert said[0].startswith(prompt) and said[1].startswith(answer)
    explained = found.problem_count + found.bad_answers
    assert rows - usable == explained, "what is not used says why"


@pytest.mark.parametrize(("path", "encoding", "roles", "usable", "prompt", "answer"), CHOSEN, ids=[each[0] for each in CHOSEN])
def test_a_file_that_has_to_be_told_what_it_is_is_read_once_it_is_told(shared, path, encoding, roles, usable, prompt, answer):
    unsure = inspect_file(shared / path)
    assert unsure.needs_encoding == bool(encoding)
    assert not encoding or encoding in [each.name for each in unsure.encodings]
    found = inspect_file(shared / path, Columns(roles=roles_of(roles)), ReadOptions(encoding=encoding or None))
    said = beginning(found)
    assert (found.usable_rows, found.needs_encoding) == (usable, False)
    assert said[0].startswith(prompt) and said[1].startswith(answer)


def test_no_file_of_the_collections_is_left_out(shared):
    there = {str(path.relative_to(shared)) for folder in ("data", "cases/data") for path in (shared / folder).rglob("*") if path.is_file()}
    assert {path for path in there if not path.endswith("README.md")} == {each[0] for each in FILES}
