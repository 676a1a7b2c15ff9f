"""The turns of a chat, however a file writes them; what has no text of its own is left out and counted by kind."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reft_engine.data.cells import EmptyError, RowError, is_false, is_missing, required_text, shown, text_of, unpacked
from reft_engine.data.records import Limits, Message, Role

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

TOOL_CALLS, TOOL_RESULTS, PICTURES, THOUGHTS = "tool calls", "results of tools", "pictures and sounds", "reasoning"
"""Kinds of what is left out of turns."""


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


def read_turns(value: Any, limits: Limits, left_out: Counter[str]) -> list[Turn]:
    """The turns of a chat.

    Args:
        value: a list of turns, or JSON text of one; a turn is an object with a role and a text, or bare text in turn user and assistant.
        limits: of turns and texts.
        left_out: counts what is left out of the turns, by kind.

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
        _take(turns, entry, number, limits, left_out)
    return turns


def _take(turns: list[Turn], entry: Any, number: int, limits: Limits, left_out: Counter[str]) -> None:
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
    content = _content(next((entry[key] for key in _WHAT if not is_missing(entry.get(key))), None), limits, left_out)
    if name in _TOOL_RESULTS:
        left_out[TOOL_RESULTS] += 1
        _add_result(turns, text_of(content, "the result of a tool", limits))
        return
    calls = name in _TOOL_CALLS or bool(entry.get("tool_calls") or entry.get("function_call"))
    left_out[TOOL_CALLS] += calls
    left_out[THOUGHTS] += any(entry.get(key) for key in _REASONING)
    if name in _TOOL_CALLS or (calls and not text_of(content, "a turn of the assistant", limits)):
        return
    known = _ROLES.get(name)
    if known is None:
        raise RowError(f"a turn has the role '{shown(name)}'; user, assistant and system can be trained")
    if known == "system" and not text_of(content, "a turn of the system", limits):
        return  # many files have an empty one
    text = required_text(content, f"a turn of the {known}", limits)
    turns.append(Turn(known, text, not any(key in entry and is_false(entry[key]) for key in _WEIGHTS)))


def _add_result(turns: list[Turn], result: str) -> None:
    """Put the result of a tool where the answer that rests on it can read it: under the question."""
    if not result:
        return
    if turns and turns[-1].role == "user":
        turns[-1] = Turn("user", f"{turns[-1].content}\n\n{result}")
    else:
        turns.append(Turn("user", result))


def _content(value: Any, limits: Limits, left_out: Counter[str]) -> Any:
    """The text of a turn whose content is a list of pieces; any other content as it is."""
    if not isinstance(value, list):
        return value
    return "".join(_piece(piece, limits, left_out) for piece in value)


def _piece(piece: Any, limits: Limits, left_out: Counter[str]) -> str:
    if isinstance(piece, str):
        return piece
    if isinstance(piece, Mapping):
        kind = piece.get("type", "text")
        if kind in ("text", "input_text", "output_text", "refusal"):
            text = piece.get("text", piece.get("value", piece.get("refusal")))
            return text if isinstance(text, str) else text_of(text, "a piece of a turn", limits)
        if kind in _REASONING:
            left_out[THOUGHTS] += 1
            return ""
        if kind in _PICTURES:
            left_out[PICTURES] += 1
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
