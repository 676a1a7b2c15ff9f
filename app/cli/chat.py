"""``reft-studio chat``: answers a prompt with the base model and the tuned model."""

import argparse

from app.cli.adapter import open_adapter
from app.cli.output import finish, write
from app.errors import StudioError
from app.words import say


def chat(options: argparse.Namespace) -> int:
    """Answer one prompt with the base model and the tuned model."""
    from reft_engine import Message, generate

    if not options.prompt.strip():
        raise StudioError(say("cli.chat.no_prompt"))
    if options.max_new_tokens < 1:
        raise StudioError(say("cli.chat.no_tokens"))
    if not 0 <= options.seed < 2**31:
        raise StudioError(say("cli.chat.seed", most=2**31 - 1))
    base, reft, _ = open_adapter(options.dir)
    system = [Message("system", options.system.strip())] if options.system.strip() else []
    conversation = [*system, Message("user", options.prompt.strip())]
    answers = generate(
        base, conversation, [None, reft], max_new_tokens=options.max_new_tokens, temperature=options.temperature,
        seed=options.seed, strength=options.strength,
    )  # fmt: skip
    if not options.json:
        write(say("cli.chat.answers", base=answers[0], tuned=answers[1]))
    finish(options, {"base": answers[0], "tuned": answers[1]})
    return 0
