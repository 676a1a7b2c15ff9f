"""The shapes that files of examples have: each recognises its columns, and unfolds rows that hold several."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reft_engine.data.cells import holds_text, is_missing, says_nothing, unpacked
from reft_engine.data.converting import is_whole
from reft_engine.data.roles import ColumnRole, Columns

_ANSWERS = ("output", "response", "completion", "answer", "target", "reply", "solution", "best answer", "chosen_response")
_PAIRS = (
    ("prompt", ("answer", "completion", "response", "output", "target", "reply")),
    ("question", ("answer", "response", "completion", "output", "best answer", "solution")),
    ("problem", ("solution", "answer")),
    ("query", ("response", "answer", "completion", "output")),
    ("input", ("output", "target", "response", "answer", "completion")),
    ("source", ("target",)),
    ("user", ("assistant",)),
    ("input_text", ("target_text", "output_text")),
)
_TEXTS = ("text", "sentence", "review", "tweet", "message", "comment", "document", "content")
_LABELS = ("label", "category", "class", "sentiment", "intent", "topic", "labels", "label_text", "coarse_label")
_CHATS = ("messages", "conversations", "conversation", "dialog", "dialogue", "chat", "turns")
_TWO_TEXTS = (
    ("sentence1", "sentence2"), ("premise", "hypothesis"), ("question1", "question2"), ("question", "sentence"), ("text1", "text2"),
    ("text_a", "text_b"), ("sentence_a", "sentence_b"), ("query", "passage"),
)  # fmt: skip
_TITLED = (("title", "description"), ("title", "text"), ("title", "content"), ("title", "body"), ("subject", "body"))
_CONTEXTS = ("context", "passage", "background", "reference")
_SYSTEMS = ("system", "system_prompt", "system_message")
_SPLITS = ("split", "set", "fold", "subset", "partition")
_SPLIT_VALUES = {"train", "training", "test", "testing", "val", "valid", "validation", "dev", "eval", "evaluation", "held-out", "held_out"}
_GROUPS = ("group", "group_id", "user_id", "author_id", "speaker_id", "session_id", "conversation_id", "patient_id", "student_id")
_ABOUT = ("id", "source", "meta", "metadata", "url", "timestamp")
"""Columns that say where a plain text comes from."""
_YES_NO = {"true", "false", "0", "1", "0.0", "1.0", "yes", "no"}


@dataclass(frozen=True, slots=True)
class Sample:
    """The first rows of a table: what a shape is recognised by.

    ``filled`` are the columns that hold anything; ``empty`` those that are known to be empty in all rows.
    """

    columns: tuple[str, ...]
    rows: tuple[Mapping[str, Any], ...]
    empty: frozenset[str] = frozenset()

    @property
    def filled(self) -> tuple[str, ...]:
        """Columns that hold anything in these rows."""
        return tuple(column for column in self.columns if any(holds_text(row.get(column)) for row in self.rows))

    def find(self, names: Iterable[str]) -> str | None:
        """The first of these names that a column has."""
        known = {column.strip().lower(): column for column in reversed(self.columns) if column not in self.empty}
        return next((known[name] for name in names if name in known), None)

    def values(self, column: str | None) -> list[Any]:
        """What a column holds, without its empty cells."""
        return [row[column] for row in self.rows if column in row and holds_text(row[column])] if column else []


class Shape:
    """A shape of files; its name is what programs read, its title what people do."""

    name = ""
    title = ""

    def recognise(self, sample: Sample) -> Columns | None:
        """What each column is, or None if the file has another shape."""
        raise NotImplementedError

    def unfold(self, values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The rows that one record of the file holds."""
        yield dict(values)

    def notes(self) -> tuple[str, ...]:
        """What a person should know about this shape."""
        return ()


def _roles(**given: str | Sequence[str] | None) -> dict[str, ColumnRole]:
    roles: dict[str, ColumnRole] = {}
    for role, columns in given.items():
        for column in (columns,) if isinstance(columns, str) else columns or ():
            roles.setdefault(column, role)  # type: ignore[arg-type]
    return roles


def _with_extras(sample: Sample, roles: dict[str, ColumnRole]) -> Columns:
    """Roles with those of the columns that every shape may have: system, split, group."""
    for names, role in ((_SYSTEMS, "system"), (_GROUPS, "group")):
        column = sample.find(names)
        if column and column not in roles and role not in roles.values() and sample.values(column):
            roles[column] = role  # type: ignore[assignment]
    split = sample.find(_SPLITS)
    if (
        split
        and split not in roles
        and (found := {str(value).strip().lower() for value in sample.values(split)})
        and found <= _SPLIT_VALUES
    ):
        roles[split] = "split"
    return Columns(roles=roles)


def _is_judged(sample: Sample, column: str | None) -> bool:
    """Whether a column says of each row yes or no: whether its answer is good."""
    found = sample.values(column)
    return bool(found) and {str(value).strip().lower() for value in found} <= _YES_NO


class Preferences(Shape):
    """A preferred and a rejected answer to one prompt (TRL's DPO formats, LLaMA-Factory, HH-RLHF)."""

    name, title = "preferences", "preference pairs"

    def recognise(self, sample: Sample) -> Columns | None:
        """By the columns chosen and rejected."""
        chosen, rejected = sample.find(("chosen", "preferred", "accepted")), sample.find(("rejected", "dispreferred"))
        if not chosen or not rejected:
            return None
        chat = next((column for column in [sample.find(_CHATS)] if column and sample.values(column)), None)
        prompts = [sample.find(names) for names in (("prompt", "instruction", "question", "query"), ("input",))] if not chat else []
        given = [column for column in prompts if column]
        return _with_extras(sample, _roles(messages=chat, prompt=given, answer=chosen, rejected=rejected))


class Judged(Shape):
    """Answers that are marked as good or bad (KTO); the bad ones are left out."""

    name, title = "judged", "answers marked as good or bad"

    def recognise(self, sample: Sample) -> Columns | None:
        """By a label of yes or no beside a chat or beside a prompt with its answer."""
        judge = sample.find(("label", "kto_tag", "is_good", "desirable", "thumbs_up"))
        if not _is_judged(sample, judge):
            return None
        chat = sample.find(_CHATS)
        if chat and sample.values(chat):
            return _with_extras(sample, _roles(messages=chat, weight=judge))
        prompt, answer = sample.find(("prompt", "instruction", "question")), sample.find(("completion", "response", "output", "answer"))
        if not prompt or not answer:
            return None
        extra = sample.find(("input",)) if prompt.strip().lower() == "instruction" else None
        return _with_extras(sample, _roles(prompt=[prompt, *([extra] if extra else [])], answer=answer, weight=judge))


class Chats(Shape):
    """Chats of OpenAI's and ShareGPT's kind; every answer of the assistant is learned."""

    name, title = "messages", "chats"
    names: tuple[str, ...] = ("messages",)

    def recognise(self, sample: Sample) -> Columns | None:
        """By the column of the messages."""
        chat = sample.find(self.names)
        if chat is None or not any(isinstance(unpacked(value), (list, dict)) for value in sample.values(chat)):
            return None
        return _with_extras(sample, _roles(messages=chat))


class Conversations(Chats):
    """Chats of ShareGPT's kind, by their column's name."""

    name = "conversations"
    names = _CHATS[1:]


class Trees(Shape):
    """Trees of messages (Open Assistant): each way from the question to a last message is a chat; of several answers the best is taken."""

    name, title = "trees", "trees of messages"

    def recognise(self, sample: Sample) -> Columns | None:
        """By nested replies."""
        root = sample.find(("prompt",))
        nested = any(isinstance(value, Mapping) and "replies" in value for value in sample.values(root))
        flat = sample.find(("replies",)) and sample.find(("text",)) and sample.find(("role",))
        return Columns(roles={"messages": "messages"}) if nested or flat else None

    def unfold(self, values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """A chat for each way through the tree; a message that several ways share is learned once."""
        prompt = values.get("prompt")
        ways = _ways(prompt if isinstance(prompt, Mapping) else values)
        answered = [way for way in ways if any(turn["weight"] and str(turn["role"]).lower() == "assistant" for turn in way)]
        for way in answered or ways[:1]:
            yield {"messages": way}

    def notes(self) -> tuple[str, ...]:
        """Which answers are taken."""
        return ("Of several answers to one message the best ranked is taken; deleted messages are left out.",)


_DEPTH = 60


def _ways(node: Mapping[str, Any], depth: int = 0) -> list[list[dict[str, Any]]]:
    """All ways down a tree of messages, each a list of turns; what an earlier way has as well is context in the later ones."""
    turn = {"role": node.get("role"), "content": node.get("text", node.get("content")), "weight": 1}
    replies = [reply for reply in node.get("replies") or [] if isinstance(reply, Mapping) and not reply.get("deleted")]
    if depth > _DEPTH:
        replies = []
    if str(turn["role"]).lower() in ("prompter", "user") and replies:
        ranked = sorted(replies, key=lambda reply: (reply.get("rank") is None, _rank(reply)))
        replies = ranked[:1]
    below = [way for reply in replies for way in _ways(reply, depth + 1)]
    if not below:
        return [[turn]]
    return [[{**turn, "weight": int(index == 0)}, *way] for index, way in enumerate(below)]


def _rank(reply: Mapping[str, Any]) -> float:
    try:
        return float(reply.get("rank") or 0)
    except (TypeError, ValueError):
        return 0.0


class Passages(Shape):
    """Questions about passages: SQuAD's nested form, and its rows with a context, a question and answers."""

    name, title = "questions", "questions about passages"

    def recognise(self, sample: Sample) -> Columns | None:
        """By nested paragraphs, or by context, question and answers."""
        if any(isinstance(unpacked(value), list) for value in sample.values(sample.find(("paragraphs",)))):
            return Columns(roles={"title": "ignore", "context": "context", "question": "prompt", "answer": "answer"})
        question, context = sample.find(("question",)), sample.find(_CONTEXTS)
        answer = sample.find(("answers", "answer", "response"))
        if not question or not context or not answer:
            return None
        return _with_extras(sample, _roles(context=context, prompt=question, answer="answer" if answer.lower() == "answers" else answer))

    def unfold(self, values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """A row for each question; of several right answers the first."""
        paragraphs = unpacked(values.get("paragraphs"))
        if not isinstance(paragraphs, list):
            answers = next((values[name] for name in values if name.strip().lower() == "answers"), None)
            yield {**values, "answer": _first_answer(answers)} if answers is not None else dict(values)
            return
        for paragraph in paragraphs:
            for question in (paragraph.get("qas") or []) if isinstance(paragraph, Mapping) else []:
                yield {
                    "title": values.get("title"), "context": paragraph.get("context"), "question": question.get("question"),
                    "answer": "" if question.get("is_impossible") else _first_answer(question.get("answers")),
                }  # fmt: skip


def _first_answer(answers: Any) -> Any:
    """The first of several right answers."""
    found = unpacked(answers)
    if isinstance(found, Mapping):
        found = found.get("text", found)
    if isinstance(found, list):
        found = found[0] if found else None
    return found.get("text") if isinstance(found, Mapping) else found


class Choices(Shape):
    """Multiple choice: the choices stand under the question, and the answer is the letter and the text of the right one."""

    name, title = "choices", "multiple choice"
    _QUESTIONS = ("question", "query", "ctx", "stem", "problem", "prompt", "goal", "sentence")
    _KEYS = ("answerkey", "answer", "label", "correct", "gold", "answer_idx", "correct_option", "target")

    def recognise(self, sample: Sample) -> Columns | None:
        """By a list of choices beside a question."""
        choices = sample.find(("choices", "options", "endings", "answers", "alternatives"))
        question, key = sample.find(self._QUESTIONS), sample.find(self._KEYS)
        lists = [unpacked(value) for value in sample.values(choices)]
        if not choices or not question or not key or key == choices or not any(_choice_texts(each) for each in lists):
            return None
        context = sample.find(_CONTEXTS)
        return _with_extras(sample, _roles(context=context, prompt=[question, choices], answer=key))

    def unfold(self, values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The row with its choices as text, a line each, and the right one as its answer."""
        named = {str(name).strip().lower(): name for name in values}
        choices = next((named[name] for name in ("choices", "options", "endings", "answers", "alternatives") if name in named), None)
        key = next((named[name] for name in self._KEYS if name in named and named[name] != choices), None)
        letters = _choice_texts(unpacked(values.get(choices))) if choices else {}
        if not letters or key is None:
            yield dict(values)
            return
        lines = "\n".join(f"{letter}. {text}" for letter, text in letters.items())
        yield {**values, str(choices): lines, key: _right(values[key], letters)}


def _choice_texts(value: Any) -> dict[str, str]:
    """Choices by their letters; empty if these are none."""
    if isinstance(value, Mapping) and isinstance(value.get("text"), list):
        texts, labels = value["text"], value.get("label") or []
        letters = [str(label) for label in labels] if len(labels) == len(texts) else _letters(len(texts))
        return dict(zip(letters, map(str, texts), strict=True))
    if isinstance(value, Mapping) and value and all(isinstance(text, str) and len(str(letter)) <= 3 for letter, text in value.items()):
        return {str(letter): text for letter, text in value.items()}
    if isinstance(value, list) and len(value) > 1 and all(isinstance(text, str) for text in value):
        return dict(zip(_letters(len(value)), value, strict=True))
    return {}


def _letters(count: int) -> list[str]:
    return [chr(ord("A") + index) if index < 26 else str(index + 1) for index in range(count)]


def _right(answer: Any, letters: Mapping[str, str]) -> Any:
    """The right choice with its letter; an answer that names none stays as it is."""
    said = str(answer).strip()
    letter = next((each for each, text in letters.items() if said.lower() == each.lower()), None)
    letter = letter or next((each for each, text in letters.items() if said == text.strip()), None)
    if letter is None and said.isdecimal() and int(said) < len(letters):
        letter = list(letters)[int(said)]
    return answer if letter is None else f"{letter}. {letters[letter]}"


class Instructions(Shape):
    """Instructions with an optional input, system text and history (Alpaca, Dolly), also with nested instances (Self-Instruct)."""

    name, title = "instructions", "instructions with answers"

    def recognise(self, sample: Sample) -> Columns | None:
        """By an instruction and an answer."""
        instruction, nested = sample.find(("instruction",)), sample.find(("instances",))
        if instruction and any(_instances(value) for value in sample.values(nested)):
            return Columns(roles={"instruction": "prompt", "input": "prompt", "output": "answer"})
        answer = sample.find(_ANSWERS)
        if not instruction or not answer or not sample.values(instruction):
            return None
        extra, history = sample.find(("input",)), sample.find(("history",))
        context = sample.find(_CONTEXTS)
        prompts = [instruction, *([extra] if extra and extra != answer else []), *([context] if context and not extra else [])]
        return _with_extras(sample, _roles(messages=history, prompt=prompts, answer=answer))

    def unfold(self, values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """A row for each instance of a task."""
        instances = _instances(values.get("instances"))
        if not instances:
            yield dict(values)
        task = {name: value for name, value in values.items() if name != "instances"}
        for instance in instances:
            yield {**task, "input": instance.get("input"), "output": instance.get("output")}


def _instances(value: Any) -> list[Mapping[str, Any]]:
    found = unpacked(value)
    return [each for each in found if isinstance(each, Mapping) and "output" in each] if isinstance(found, list) else []


class Pairs(Shape):
    """A prompt and its answer, as text or as lists of messages."""

    name, title = "pairs", "prompts with answers"

    def recognise(self, sample: Sample) -> Columns | None:
        """By the names of two columns; two nameless columns are taken as they stand."""
        for prompt_name, answers in _PAIRS:
            prompt, answer = sample.find((prompt_name,)), sample.find(answers)
            if prompt and answer and sample.values(prompt):
                context, history = sample.find(_CONTEXTS), sample.find(("history",))
                return _with_extras(sample, _roles(context=context, messages=history, prompt=prompt, answer=answer))
        if sorted(sample.columns) == ["column 1", "column 2"]:
            return _with_extras(sample, _roles(prompt="column 1", answer="column 2"))
        return None


class SentencePairs(Shape):
    """Two texts with a label (RTE, MRPC, SNLI)."""

    name, title = "sentence_pairs", "pairs of texts with labels"

    def recognise(self, sample: Sample) -> Columns | None:
        """By the names of two texts beside a label."""
        label = sample.find((*_LABELS, "gold_label", "score", "is_duplicate"))
        for first, second in (*_TWO_TEXTS, *_TITLED):
            one, two = sample.find((first,)), sample.find((second,))
            if one and two and label and sample.values(one):
                return _with_extras(sample, _roles(prompt=[one, two], label=label))
        return None


class Labels(Shape):
    """A text and its label."""

    name, title = "labels", "texts with labels"

    def recognise(self, sample: Sample) -> Columns | None:
        """By the names of a text and a label."""
        text, label = sample.find(_TEXTS), sample.find(_LABELS)
        if not text or not label or text == label or not sample.values(text):
            return None
        return _with_extras(sample, _roles(prompt=text, label=label))


class PlainText(Shape):
    """Plain text to continue: the first tokens are the prompt, the rest is the answer."""

    name, title = "text", "plain text to continue"

    def recognise(self, sample: Sample) -> Columns | None:
        """By a text with nothing beside it."""
        others = [column for column in sample.filled if column.strip().lower() not in ("text", *_ABOUT)]
        text = sample.find(("text",))
        if not text or others or not sample.values(text):
            return None
        return _with_extras(sample, _roles(prompt=text))

    def notes(self) -> tuple[str, ...]:
        """What is learned of a text."""
        return ("Of each text the first tokens are the prompt, and the rest is learned.",)


SHAPES: tuple[Shape, ...] = (
    Preferences(), Judged(), Chats(), Conversations(), Trees(), Choices(), Passages(), Instructions(), Pairs(), SentencePairs(), Labels(),
    PlainText(),
)  # fmt: skip
"""All shapes, the more particular ones first."""
TITLES = {shape.name: shape.title for shape in SHAPES} | {"mapped": "a table with the roles that you chose", "unknown": "a table"}


def recognise(sample: Sample) -> tuple[Shape, Columns] | None:
    """The shape of a file by its columns and first rows; None if a person must say what the columns are."""
    for shape in SHAPES:
        if columns := shape.recognise(sample):
            return shape, columns
    return None


def suggest(sample: Sample) -> tuple[Columns, dict[str, str]]:
    """Roles by what the columns hold, with reasons; for a person to confirm.

    The column of the longest texts is the prompt, one of few different values the label, else the next longest texts the answer.
    """
    lengths = {column: _mean_length(sample, column) for column in sample.filled}
    texts = sorted((column for column in lengths if lengths[column] >= 0), key=lambda column: -lengths[column])
    if not texts:
        return Columns(roles={}), {}
    prompt = texts[0]
    texts = [column for column in texts if column == prompt or not _says_the_same(sample, prompt, column)]
    roles: dict[str, ColumnRole] = {prompt: "prompt"}
    reasons = {prompt: "has the longest texts"}
    few = [column for column in sample.filled if column != prompt and _is_label(sample, column)]
    if few:
        label = min(few, key=lambda column: (not _is_judged(sample, column), len({str(value) for value in sample.values(column)})))
        roles[label], reasons[label] = "label", "has few different values"
    elif len(texts) > 1 and lengths[texts[1]] > 0:
        roles[texts[1]], reasons[texts[1]] = "answer", "has the next longest texts"
        first, second = sample.columns.index(prompt), sample.columns.index(texts[1])
        if second < first:  # a question stands before its answer
            roles = {texts[1]: "prompt", prompt: "answer"}
            reasons = {texts[1]: "stands before the answer", prompt: "has the longest texts"}
    return Columns(roles={column: roles[column] for column in sample.columns if column in roles}), reasons


def _mean_length(sample: Sample, column: str) -> float:
    """Mean length of a column's texts; -1 for numbers, links and nested values."""
    values = sample.values(column)
    texts = [
        value for value in values if isinstance(value, str) and not _is_number(value) and not value.startswith(("http://", "https://"))
    ]
    return sum(map(len, texts)) / len(texts) if len(texts) * 2 > len(values) else -1.0


def _says_the_same(sample: Sample, one: str, other: str) -> bool:
    """Whether two columns hold the same texts but for blanks and capitals."""
    pairs = [(row.get(one), row.get(other)) for row in sample.rows]
    return sum("".join(str(first).lower().split()) == "".join(str(second).lower().split()) for first, second in pairs) * 2 > len(pairs)


def _is_number(value: str) -> bool:
    try:
        float(value.replace(",", ""))
    except ValueError:
        return False
    return True


def _is_label(sample: Sample, column: str) -> bool:
    values = [str(value) for value in sample.values(column) if not isinstance(value, (list, dict)) and not is_missing(value)]
    different = {value for value in values if not says_nothing(value)}
    return len(values) >= 8 and 2 <= len(different) <= min(20, len(values) // 4) and max(map(len, different)) <= 40


def has_whole_labels(sample: Sample, columns: Columns) -> bool:
    """Whether all labels are whole numbers that a program has written with a decimal point."""
    values = sample.values(columns.one("label"))
    return bool(values) and all(map(is_whole, values)) and any("." in str(value) for value in values)
