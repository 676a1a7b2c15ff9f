r"""The turns of a chat, however a file writes them; what stands beside their text is left out, or learned where a person chose it.

Reasoning that is learned is written before the answer, as DeepSeek-R1 (https://arxiv.org/abs/2501.12948) and the chat template of Qwen3
write it: ``<think>\n...\n</think>\n\n``. Calls of tools are written after the turn's own text, as Hermes
(https://github.com/NousResearch/Hermes-Function-Calling) and the chat templates of Qwen2.5 and Qwen3 write them:
``<tool_call>\n{"name": ..., "arguments": ...}\n</tool_call>``.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from reft_engine.data.cells import EmptyError, RowError, holds_text, is_false, is_missing, required_text, shown, text_of, unpacked
from reft_engine.data.records import Include, Limits, Message, Role

_ROLES: dict[str, Role] = {
    "system": "system", "developer": "system", "user": "user", "human": "user", "prompter": "user", "customer": "user", "student": "user",
    "assistant": "assistant", "gpt": "assistant", "model": "assistant", "bot": "assistant", "chatgpt": "assistant", "ai": "assistant",
    "llm": "assistant", "bing": "assistant", "agent": "assistant", "chosen": "assistant",
}  # fmt: skip
_TOOL_RESULTS = ("tool", "function", "observation", "ipython", "function_response", "tool_response", "tool_result")
_TOOL_CALLS = ("function_call", "tool_call", "function-call", "tool_calls")
_WHO = ("role", "from", "speaker", "author", "sender")
_WHAT = ("content", "value", "text", "message", "utterance", "parts")
_WEIGHTS = ("weight", "loss_weight", "train", "training", "trainable")
_REASONING = ("reasoning_content", "reasoning", "thinking")
_PICTURES = ("image", "image_url", "input_image", "audio", "input_audio", "video", "file")

_THINK, _CALL = "<think>", "<tool_call>"

TOOL_CALLS: Include = "tool_calls"
THOUGHTS: Include = "reasoning"
PICTURES, TOOL_RESULTS = "pictures and sounds", "results of tools"
"""Kinds of what stands in turns beside their text."""
Fate = Literal["left out", "learned", "under the question", "in the user's place"]
"""What becomes of it; results of tools stand at the end of a question, or follow an answer as a turn of the user."""


@dataclass(frozen=True, slots=True)
class Beside:
    """What stands in turns beside their text, counted by its kind and by what becomes of it.

    Attributes:
        include: what is learned of it, because a person chose it; the rest is left out.
        counts: how many parts of a kind have which fate.
    """

    include: tuple[Include, ...] = ()
    counts: Counter[tuple[str, Fate]] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a chat, and whether it is learned where it is an answer."""

    role: Role
    content: str
    learned: bool = True

    @property
    def message(self) -> Message:
        """The message alone."""
        return Message(self.role, self.content)


def read_turns(value: Any, limits: Limits, beside: Beside) -> list[Turn]:
    """The turns of a chat.

    Args:
        value: a list of turns, or JSON text of one; a turn is an object with a role and a text, or bare text in turn user and assistant.
        limits: of turns and texts.
        beside: counts what stands beside the text of the turns, and says what of it is learned.

    Raises:
        RowError: there are none, too many, or one that cannot be read.
    """
    entries = unpacked(value)
    if isinstance(entries, dict):
        listed = next((each for each in entries.values() if isinstance(each, list)), None)
        entries = [entries] if any(name in entries for name in _WHO) else listed
    if not isinstance(entries, list) or not entries:
        raise EmptyError("the conversation is empty")
    if len(entries) > limits.turns:
        raise RowError(f"the conversation has {len(entries):,} turns; at most {limits.turns} can be read")
    turns: list[Turn] = []
    for number, entry in enumerate(entries):
        _take(turns, entry, number, limits, beside)
    return turns


def _take(turns: list[Turn], entry: Any, number: int, limits: Limits, beside: Beside) -> None:
    if isinstance(entry, str):
        role: Role = "assistant" if number % 2 else "user"
        turns.append(Turn(role, required_text(entry, f"a turn of the {role}", limits)))
        return
    if not isinstance(entry, Mapping):
        raise RowError("a turn is not an object with a role and a text")
    name = next((entry[key] for key in _WHO if key in entry), None)
    if not isinstance(name, str) or not name:
        raise RowError("a turn has no role")
    name = name.strip().lower()
    value = next((entry[key] for key in _WHAT if not is_missing(entry.get(key))), None)
    if name in _TOOL_CALLS:
        turns += _only_calls(value, entry, limits, beside)
        return
    content, thoughts = _content(value, limits, beside)
    if name in _TOOL_RESULTS:
        _add_result(turns, text_of(content, "the result of a tool", limits), beside)
        return
    thoughts += [entry[key] for key in _REASONING if key in entry and holds_text(entry[key])][:1]
    known = _ROLES.get(name)
    calls = unpacked(entry.get("tool_calls")) or unpacked(entry.get("function_call"))
    learns_calls = _count(TOOL_CALLS, bool(calls), known, beside)
    if calls and not learns_calls and not text_of(content, "a turn of the assistant", limits):
        beside.counts[THOUGHTS, "left out"] += bool(thoughts)
        return
    if known is None:
        raise RowError(f"a turn has the role '{shown(name)}'; user, assistant and system can be trained")
    if known == "system" and not text_of(content, "a turn of the system", limits):
        return  # many files have an empty one
    text = text_of(content, f"a turn of the {known}", limits) if learns_calls else required_text(content, f"a turn of the {known}", limits)
    text = "\n".join(part for part in (text, *(_calls(calls, limits) if learns_calls else ())) if part)
    if _count(THOUGHTS, bool(thoughts), known, beside):
        text = _with_thoughts(text, thoughts, limits)
    turns.append(Turn(known, text, _is_learned(entry)))


def _is_learned(entry: Mapping[str, Any]) -> bool:
    return not any(key in entry and is_false(entry[key]) for key in _WEIGHTS)


def _count(kind: Include, is_there: bool, role: Role | None, beside: Beside) -> bool:
    """Count a part of a turn; whether it is learned, which only the assistant's are."""
    learns = is_there and kind in beside.include and role == "assistant"
    beside.counts[kind, "learned" if learns else "left out"] += is_there
    return learns


# Reasoning


def _with_thoughts(text: str, thoughts: Sequence[Any], limits: Limits) -> str:
    """The text after its reasoning, unless it begins with it already."""
    if text.lstrip().startswith(_THINK):
        return text
    reasoning = "\n\n".join(required_text(thought, "the reasoning of a turn", limits).strip("\n") for thought in thoughts)
    answer = text.lstrip("\n")
    return f"{_THINK}\n{reasoning}\n</think>\n\n{answer}"


# Calls of tools


def _only_calls(value: Any, entry: Mapping[str, Any], limits: Limits, beside: Beside) -> list[Turn]:
    """The turn that is a call of tools, as ShareGPT writes it: its text is JSON."""
    calls = value if value is not None else entry.get("tool_calls") or entry.get("function_call")
    if not _count(TOOL_CALLS, True, "assistant", beside):
        return []
    return [Turn("assistant", "\n".join(_calls(calls, limits)), _is_learned(entry))]


def _calls(value: Any, limits: Limits) -> list[str]:
    """The text of each call in a list of calls, or of the only one; one that is written out already stays as it is."""
    if isinstance(value, str) and value.lstrip().startswith(_CALL):
        return [required_text(value, "a call of a tool", limits)]
    calls = unpacked(value)
    return [_call(call, limits) for call in (calls if isinstance(calls, list) else [calls])]


def _call(value: Any, limits: Limits) -> str:
    call = unpacked(value)
    inner = unpacked(call.get("function")) if isinstance(call, Mapping) else None
    call = inner if isinstance(inner, Mapping) else call
    if not isinstance(call, Mapping):
        raise RowError("a call of a tool is not an object with a name and arguments")
    name = text_of(call.get("name", inner if isinstance(inner, str) else None), "the name of a tool", limits)
    if not name:
        raise RowError("a call of a tool has no name")
    given = call.get("arguments", call.get("parameters"))
    arguments = {} if is_missing(given) or given == "" else unpacked(given)
    try:
        written = json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False, default=str)
    except RecursionError as error:
        raise RowError("the arguments of a call are nested too deeply") from error
    return f"{_CALL}\n{required_text(written, 'a call of a tool', limits)}\n</tool_call>"


def _add_result(turns: list[Turn], result: str, beside: Beside) -> None:
    """Put the result of a tool where the answer that rests on it can read it: under the question, or after the call."""
    is_below = bool(turns) and turns[-1].role == "user"
    beside.counts[TOOL_RESULTS, "under the question" if is_below else "in the user's place"] += 1
    if not result:
        return
    if is_below:
        turns[-1] = Turn("user", f"{turns[-1].content}\n\n{result}")
    else:
        turns.append(Turn("user", result))


# Pieces


def _content(value: Any, limits: Limits, beside: Beside) -> tuple[Any, list[Any]]:
    """The text of a turn whose content is a list of pieces, and its reasoning; any other content as it is."""
    if not isinstance(value, list):
        return value, []
    thoughts: list[str] = []
    return "".join(_piece(piece, thoughts, limits, beside) for piece in value), thoughts


def _thought(piece: Mapping[str, Any]) -> str:
    """The text of a piece of reasoning; "" for one that is encrypted or holds something else."""
    texts = (piece.get(key) for key in (*_REASONING, "text", "content", "summary"))
    listed = ([each.get("text") for each in text if isinstance(each, Mapping)] if isinstance(text, list) else [text] for text in texts)
    found = ("\n\n".join(each for each in parts if isinstance(each, str)) for parts in listed)
    return next((text for text in found if text.strip()), "")


def _piece(piece: Any, thoughts: list[str], limits: Limits, beside: Beside) -> str:
    if isinstance(piece, str):
        return piece
    if isinstance(piece, Mapping):
        kind = piece.get("type", "text")
        if kind in ("text", "input_text", "output_text", "refusal"):
            text = piece.get("text", piece.get("value", piece.get("refusal")))
            return text if isinstance(text, str) else text_of(text, "a piece of a turn", limits)
        if kind in _REASONING:
            if thought := _thought(piece):
                thoughts.append(thought)
            else:
                beside.counts[THOUGHTS, "left out"] += 1
            return ""
        if kind in _PICTURES:
            beside.counts[PICTURES, "left out"] += 1
            return ""
    raise RowError("a turn holds something other than text")


def learned_answers(turns: Sequence[Turn]) -> list[tuple[tuple[Message, ...], str]]:
    """Each answer of the assistant that is learned, with the messages before it. Raises RowError if there is none."""
    messages = tuple(turn.message for turn in turns)
    asked = next((index for index, turn in enumerate(turns) if turn.role == "user"), len(turns))
    places = [index for index, turn in enumerate(turns) if turn.role == "assistant" and index > asked]
    if not places:
        raise RowError("no answer of the assistant follows a message of a user")
    learned = [index for index in places if turns[index].learned]
    if not learned:
        raise RowError("each answer of the assistant has the weight 0, so nothing of it is learned")
    return [(messages[:index], messages[index].content) for index in learned]
