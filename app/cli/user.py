"""``reft-studio user``: the people of a team, whom `serve --people team` lets in. Works while the studio runs."""

import argparse
import getpass
import sys
from pathlib import Path

from app.cli.folder import data_folder
from app.cli.output import finish, tell
from app.errors import StudioError
from app.people.file import LONGEST, Member, People
from app.words import say

ACTIONS = ("add", "remove", "passphrase", "logout", "list")


def user(options: argparse.Namespace) -> int:
    """Change the people of a data folder. Raises StudioError, StorageError."""
    folder, url = data_folder(options.data_dir)
    folder.mkdir(parents=True, exist_ok=True)
    people = People(folder)
    if options.action == "list":
        return _list(options, people)
    if not options.name:
        raise StudioError(say("cli.user.whom", action=options.action))
    if options.action == "add":
        member = people.add(options.name, _pass_phrase(), operator=options.operator)
    elif options.action == "remove":
        member = people.remove(options.name)
    elif options.action == "passphrase":
        member = people.give_pass_phrase(options.name, _pass_phrase())
    else:
        member = people.named(options.name)
    # Whoever has another pass phrase, or is removed, is logged out everywhere.
    ended = 0 if options.action == "add" else _end_sessions(folder, url, member)
    tell(options, say(f"cli.user.done.{options.action}", name=member.name))
    finish(options, {"id": member.id, "name": member.name, "operator": member.operator, "sessions_ended": ended})
    return 0


def _list(options: argparse.Namespace, people: People) -> int:
    found = people.all()
    for member in found:
        tell(options, say("cli.user.operator", name=member.name) if member.operator else member.name)
    if not found:
        tell(options, say("cli.user.nobody"))
    finish(options, {"people": [{"id": member.id, "name": member.name, "operator": member.operator} for member in found]})
    return 0


def _pass_phrase() -> str:
    """The pass phrase: of a terminal typed without being shown, else the first line of standard input."""
    if sys.stdin.isatty():
        return getpass.getpass(f"{say('cli.user.pass_phrase')} ")
    return sys.stdin.readline(4 * LONGEST).rstrip("\r\n")


def _end_sessions(folder: Path, url: str | None, member: Member) -> int:
    from storage import Storage

    store = Storage(folder, url)
    try:
        return store.sessions.end_all(member.id)
    finally:
        store.close()
