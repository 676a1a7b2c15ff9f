"""Attacks by base models, adapters and chat templates."""

import json
import os
import shutil
import socket
import struct
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from safetensors.numpy import load_file, save_file

from tests.attacks.files import _looked_at
from tests.attacks.house import GROWTH, MARK, House, Told
from tests.attacks.trial import Trial
from tests.faults.studio import BASE, make_base, wait
from tests.hub import Hub, answering, way_to

_RAN = Path(tempfile.gettempdir()) / f"reft-attack-ran-{os.getpid()}"
"""Is there once code of a model has run."""
_CODE = f"open({str(_RAN)!r}, 'w').close()\n"
_ENDS = 60.0
"""Seconds within which whatever a template does has been ended."""
_IDS = (
    "/etc",
    "/etc/passwd",
    "../../etc",
    "./x",
    "~/x",
    "..",
    ".",
    "file:///etc",
    "https://foreign.invalid/x/y",
    "//foreign.invalid/x",
    "a/../../b",
    "x" * 10_000,
    "a/b/c",
    "org/name\0",
    "org/\ud800",
    "C:\\x",
    "\\\\host\\share",
    "org/na me",
    "-x/y",
    "org/name@refs/pr/1",
    "{BASE}/../x",
    "{BASE}/config.json",
    "{BASE}/.",
    "{BASE}//",
    "/proc/self/root{BASE}",
    "org%2fname",
    "",
)

TEMPLATES = {
    "a loop without end that writes nothing": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}x",
    "a loop that writes": "{% for a in range(99999) %}{% for b in range(99999) %}xxxxxxxx{% endfor %}{% endfor %}",
    "a text that doubles": "{% set ns = namespace(s='xxxxxxxx') %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}x",
    "a text times itself": "{{ 'x' * 9999999999 }}",
    "a list that doubles": "{% set ns = namespace(s=[1]) %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}x",
    "a power": "{{ 9 ** 9 ** 9 }}",
    "a width": "{{ '%999999999d' % 1 }}",
    "attributes": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "attributes by a filter": "{{ ''|attr('__class__')|attr('__mro__') }}",
    "globals": "{{ cycler.__init__.__globals__.os.environ }}",
    "a program": "{{ namespace.__init__.__globals__['os'].system('touch " + str(_RAN) + "') }}",
    "a format": "{{ '{0.__class__}'.format(messages) }}",
    "itself": "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}",
    "another file": "{% include '/etc/passwd' %}",
    "a mistake": "{{ 1/0 }}{% for %}",
}
"""Templates that strangers may put into a model's folder."""


def folders(root: Path) -> tuple[Path, ...]:
    """Folders of models that the operator has listed, whatever has come into them since; written before the studio starts."""
    make_base(BASE)
    pickled = _copy(root / "pickled")
    (pickled / "model.safetensors").unlink()
    (pickled / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch " + str(_RAN).encode() + b"'\ntR.")
    coded = _copy(root / "coded")
    config = json.loads((coded / "config.json").read_text())
    config |= {"model_type": "stranger", "auto_map": {"AutoConfig": "code.C", "AutoModelForCausalLM": "code.M", "AutoTokenizer": "code.T"}}
    (coded / "config.json").write_text(json.dumps(config))
    (coded / "code.py").write_text(_CODE)
    made = [pickled, coded]
    for number, template in enumerate(TEMPLATES.values()):
        made.append(_with_template(root / f"template-{number}", template))
    pipe = _copy(root / "pipe")
    (pipe / "config.json").unlink()
    os.mkfifo(pipe / "config.json")
    link = _copy(root / "link")
    (link / "tokenizer.json").unlink()
    (link / "tokenizer.json").symlink_to("/etc/passwd")
    weights = _copy(root / "weights-pipe")
    (weights / "model.safetensors").unlink()
    os.mkfifo(weights / "model.safetensors")
    device = _copy(root / "device")
    (device / "model.safetensors").unlink()
    (device / "model.safetensors").symlink_to("/dev/zero")
    return (*made, pipe, link, weights, device)


def _copy(folder: Path) -> Path:
    shutil.copytree(BASE, folder)
    return folder


def _with_template(folder: Path, template: str) -> Path:
    _copy(folder)
    for name in ("chat_template.jinja", "chat_template.json"):
        (folder / name).unlink(missing_ok=True)
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "chat_template": template}))
    return folder


def _start(trial: Trial, base: str) -> tuple[bool, str, bool]:
    """Let Bob start a run on a base model, on a sample; whether what was said is clear, what it was, and whether there is a run."""
    visitor, before = trial.house.visitor("Bob"), len(trial.house.runs("Bob"))
    told = visitor.trains(trial.house.pages, f"model {trial.attempts}", _dataset(trial), train_base_model=base)
    return told.is_clear, told.text[:200], len(trial.house.runs("Bob")) > before


def _previewed(trial: Trial, base: str) -> Told:
    """Let Bob see how a base model reads a row."""
    visitor, pages = trial.house.visitor("Bob"), trial.house.pages
    event = pages.event("dataset-base")
    _, said = _looked_at(trial, visitor, "a.csv", b"prompt,answer\na cat,a dog\nan owl,a hen\n")
    return visitor.event(event, [said, base])


def _is_refusal(told: Told) -> bool:
    """Whether no row was read, and it is said why."""
    return told.was_refused or "rs-notice" in told.text.replace("\\", "")


def _dataset(trial: Trial) -> str:
    """A dataset of Bob's."""
    found = trial.house.of("Bob").storage.datasets.all()
    if not found:
        trial.house.visitor("Bob").event(trial.house.pages.event("train-sample"), [])
        found = wait(trial.house.of("Bob").storage.datasets.all, what="a sample of Bob's")
    return str(found[-1].id)


def model_ids(trial: Trial) -> None:
    """Base models that are paths, addresses, upwards or endless: from the form, from a saved spec, and from the Playground."""
    visitor, pages = trial.house.visitor("Bob"), trial.house.pages
    cards = pages.event("train-base-model", "train-precision")
    for each in _IDS:
        base = each.replace("{BASE}", str(BASE))
        clear, text, started = _start(trial, base)
        trial.held(clear and not started, f"a run on {base[:60]!r}: {text}")
        told = visitor.event(cards, pages.values(cards, train_base_model=base))
        trial.held(told.is_clear, f"the card of {base[:60]!r}: {told.text[:150]}")
        chat = _previewed(trial, base)
        trial.held(chat.is_clear and "root:" not in chat.text and _is_refusal(chat), f"a preview with {base[:60]!r}: {chat.text[:150]}")


def foreign_code(trial: Trial) -> None:
    """Folders with pickled weights alone, or with code of their own: refused, said why, and nothing of them runs."""
    _RAN.unlink(missing_ok=True)
    for name in ("pickled", "coded"):
        base = str(trial.house.folder.parent / "models" / name)
        told = _previewed(trial, base)
        trial.held(told.is_clear and _is_refusal(told), f"a preview with {name} weights: {told.text[:150]}")
        clear, text, started = _start(trial, base)
        if started:  # then the run has to say so
            run = trial.house.runs("Bob")[0]
            wait(lambda run=run: trial.house.services.storage.runs.get(run.id).status.ended, 120, "the end of a run on a foreign model")
            found = trial.house.services.storage.runs.get(run.id)
            trial.held("fail" in str(found.status).lower(), f"a run on {name} weights ended as {found.status}")
        else:
            trial.held(clear, f"a run on {name} weights: {text}")
    trial.held(not _RAN.exists(), "code of a model has run")


def gated(trial: Trial) -> None:
    """A gated repository, and one whose weights no machine holds: no token of the server is sent, no weights are fetched."""
    folder = trial.house.folder.parent / "hub"
    folder.mkdir()
    huge = folder / "huge"
    shutil.copytree(BASE, huge)
    config = json.loads((huge / "config.json").read_text())
    (huge / "config.json").write_text(json.dumps({**config, "hidden_size": 65536, "num_hidden_layers": 1000, "intermediate_size": 262144}))
    with answering(Hub({"big/huge": huge, "closed/gated": BASE}, gated=("closed/gated",))) as hub:
        hub.said["big/huge"] = {"safetensors": {"parameters": {"F32": 10**13}, "total": 10**13}}
        house = House(folder / "studio" / "data", **way_to(hub, folder))
        house.folder.parent.mkdir()
        inner = Trial(house, trial.quick, trial.chance)
        try:
            house.open()
            wait(house.lives, what="the worker")
            for base in ("closed/gated", "big/huge"):
                clear, text, started = _start(inner, base)
                trial.held(clear and not started, f"a run on {base}: {text}")
                told = _previewed(inner, base)
                trial.held(told.is_clear and _is_refusal(told), f"a preview with {base}: {told.text[:150]}")
            sent = [each for each in hub.asked if each[2]]
            trial.held(not sent, f"a token was sent: {sent[:2]}")
            weights = [path for _, path, _ in hub.asked if "huge" in path and path.partition("?")[0].endswith(".safetensors")]
            trial.held(not weights, f"weights were asked for: {weights[:2]}")
        finally:
            house.end()


@contextmanager
def _spoiled(trial: Trial) -> Iterator[Path]:
    """The adapter of Ada's run, which is as it was afterwards."""
    adapter = trial.house.services.storage.files.adapter(trial.house.hers["run_id"])
    kept = trial.house.folder.parent / "adapter"
    shutil.copytree(adapter, kept)
    try:
        yield adapter
    finally:
        shutil.rmtree(adapter)
        shutil.move(kept, adapter)


def _header(weights: bytes, change: dict[str, object]) -> bytes:
    """A safetensors file with another header."""
    (length,) = struct.unpack("<Q", weights[:8])
    header = {**json.loads(weights[8 : 8 + length]), **change}
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + weights[8 + length :]


def adapters(trial: Trial) -> None:
    """An adapter whose file was changed: lengths, offsets, kinds, shapes, numbers, names, settings, or that is another file altogether."""
    chance = trial.chance
    with _spoiled(trial) as adapter:
        weights, config = adapter / "reft_model.safetensors", adapter / "reft_config.json"
        whole, settings, tensors = weights.read_bytes(), json.loads(config.read_text()), load_file(weights)
        name = sorted(tensors)[0]
        kind, shape = "F32", list(tensors[name].shape)
        size = tensors[name].nbytes
        spoiled = {
            "an endless header": struct.pack("<Q", 2**63) + whole[8:],
            "a long header": struct.pack("<Q", len(whole) * 2) + whole[8:],
            "no header": struct.pack("<Q", 0) + whole[8:],
            "deep JSON": struct.pack("<Q", 100_000) + b"[" * 100_000,
            "offsets upon offsets": _header(whole, {name: {"dtype": kind, "shape": shape, "data_offsets": [0, size * 3]}}),
            "offsets beyond the end": _header(whole, {name: {"dtype": kind, "shape": [2**40], "data_offsets": [0, 2**42]}}),
            "a negative shape": _header(whole, {name: {"dtype": kind, "shape": [-1, 4], "data_offsets": [0, size]}}),
            "an odd kind": _header(whole, {name: {"dtype": "X99", "shape": shape, "data_offsets": [0, size]}}),
            "a pickle": b"\x80\x04cos\nsystem\n(S'touch " + str(_RAN).encode() + b"'\ntR.",
            "nothing": b"",
            "half": whole[: len(whole) // 2],
        }
        for values, what in ((float("nan"), "NaN"), (float("inf"), "infinities")):
            changed = {**tensors, name: tensors[name] * 0 + values}
            path = adapter.parent / "changed.safetensors"
            save_file(changed, path)
            spoiled[what] = path.read_bytes()
            path.unlink()
        path = adapter.parent / "changed.safetensors"
        save_file({name.replace("0", "9999"): value for name, value in tensors.items()}, path)
        spoiled["layers that do not exist"] = path.read_bytes()
        save_file({name: value[..., :1] for name, value in tensors.items()}, path)
        spoiled["other shapes"] = path.read_bytes()
        path.unlink()
        for _ in range(trial.often(4, 100)):
            data = bytearray(whole)
            data[chance.randrange(min(400, len(data)))] ^= 1 << chance.randrange(8)
            spoiled[f"a bit of the header ({chance.random()})"] = bytes(data)
        for what, content in spoiled.items():
            weights.write_bytes(content)
            _asks_spoiled(trial, what, may_answer="a bit" in what)
        weights.write_bytes(whole)
        for key, value in {
            "unknown_key": 1,
            "rank": 10**9,
            "layers": [9999],
            "positions": "x" * 10_000,
            "base": "/etc",
            "layers ": None,
        }.items():
            config.write_text(json.dumps({**settings, key: value}))
            _asks_spoiled(trial, f"the setting {key}", may_answer=key in ("layers ", "base"))
        for content in (b"", b"{", b"[" * 100_000, b"\xff\xfe", b"null"):
            config.write_bytes(content)
            _asks_spoiled(trial, f"settings that are {content[:5]!r}")
        config.write_text(json.dumps(settings))
    told = _ask_ada(trial)
    trial.held('"error"' not in told and "ended" in told, f"the honest adapter does not answer any more: {told[:150]}")
    trial.held(not _RAN.exists() and trial.house.lives(), "code has run, or the engine is gone")


def _ask_ada(trial: Trial) -> str:
    visitor = trial.house.visitor("Ada")
    return visitor.chat("What is 1 cat?").text


def _asks_spoiled(trial: Trial, what: str, *, may_answer: bool = False) -> None:
    """What a chat with the spoiled adapter says, after the engine has forgotten the whole one."""
    adapter = trial.house.services.storage.files.adapter(trial.house.hers["run_id"])
    os.utime(adapter)
    visitor = trial.house.visitor("Ada")
    told = visitor.chat("What is 1 cat?")
    trial.held(told.is_clear and ("{" in told.text) and (may_answer or '"error"' in told.text), f"{what}: {told.text[:150]}")


def templates(trial: Trial) -> None:
    """Chat templates that loop, double, or reach out: ended from outside, while others are answered; nothing is reached."""
    _RAN.unlink(missing_ok=True)
    honest = trial.house.visitor("Ada")
    with trial.house.growth() as grown:
        for number, what in enumerate(TEMPLATES):
            base, told = str(trial.house.folder.parent / "models" / f"template-{number}"), []
            asking = threading.Thread(target=_quietly, args=(trial, base, told), daemon=True)
            begun = time.monotonic()
            asking.start()
            beside = honest.chat("hello")
            trial.held('"error"' not in beside.text and beside.status == 200, f"beside {what}: {beside.text[:150]}")
            asking.join(_ENDS)
            text = told[0] if told else ""
            trial.held(told, f"{what} was not ended within {time.monotonic() - begun:.0f} s")
            trial.held(not any(word in text for word in ("<class", "PATH", "root:", MARK, *("subclass",))), f"{what} reached: {text[:150]}")
        trial.held(grown() < GROWTH, f"they cost {grown():.0f} MB")
        trial.measured("MB", grown())
    trial.held(not _RAN.exists(), "a template has run a program")
    trial.held(trial.house.lives(), "the engine is gone")


def _quietly(trial: Trial, base: str, told: list[str]) -> None:
    with suppress(Exception):  # the time is over
        told.append(_previewed(trial, base).text)


def odd_files(trial: Trial) -> None:
    """A pipe, a link and a device where a model's or an adapter's file should be: refused and never opened."""
    honest = trial.house.visitor("Ada")
    for name in ("pipe", "link", "weights-pipe", "device"):
        base, told = str(trial.house.folder.parent / "models" / name), []
        asking = threading.Thread(target=_quietly, args=(trial, base, told), daemon=True)
        asking.start()
        beside = honest.chat("hello")
        trial.held(beside.status == 200 and '"error"' not in beside.text, f"beside {name}: {beside.text[:150]}")
        asking.join(_ENDS)
        trial.held(
            told and "root:" not in told[0] and "rs-token" not in told[0], f"a model with a {name}: {(told or ['no answer'])[0][:150]}"
        )
        _unblock(Path(base))
    with _spoiled(trial) as adapter:
        weights = adapter / "reft_model.safetensors"
        for what, make in {
            "pipe": lambda: os.mkfifo(weights),
            "link": lambda: weights.symlink_to("/etc/passwd"),
            "device": lambda: weights.symlink_to("/dev/zero"),
            "socket": lambda: _socket(weights),
            "folder": weights.mkdir,
        }.items():
            weights.unlink(missing_ok=True)
            make()
            found: list[str] = []
            asking = threading.Thread(target=lambda found=found: found.append(_ask_ada(trial)), daemon=True)
            asking.start()
            asking.join(_ENDS)
            trial.held(found and '"error"' in found[0], f"an adapter that is a {what}: {(found or ['no answer'])[0][:150]}")
            _unblock(adapter)
            weights.rmdir() if weights.is_dir() and not weights.is_symlink() else None
    trial.held(trial.house.lives(), "the engine is gone")


def _socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as found:
            found.bind(path.name)
    finally:
        os.chdir(here)


def _unblock(folder: Path) -> None:
    """Whoever waits for a pipe is let go."""
    for path in folder.iterdir():
        if path.is_fifo():
            with suppress(OSError):
                os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
