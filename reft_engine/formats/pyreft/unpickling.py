"""Opens a pickled ``.bin`` file of pyreft without trusting it.

Before torch's ``weights_only`` loader runs, the archive must be uncompressed and no larger than an edit can be, and its pickle
may name nothing but tensors: the loader alone would still allocate any size that a crafted file asks for.
"""

import io
import pickle
import pickletools
import re
import struct
import zipfile
from pathlib import Path

import torch
from torch import Tensor

from reft_engine.errors import AdapterError
from reft_engine.formats.adapter import not_plain
from reft_engine.plain_files import LargeFileError, NotPlainError, read_plain

_PICKLE_LIMIT, _SLACK = 50_000, 100_000
_GLOBALS = re.compile(r"collections OrderedDict|torch\._utils _rebuild_tensor_v2|torch \w+Storage", re.ASCII)
_CALL_OPCODES = {"STACK_GLOBAL", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4"}
DAMAGE = (
    *(pickle.PickleError, zipfile.BadZipFile, struct.error, EOFError, OSError, RuntimeError),
    *(ValueError, TypeError, AttributeError, LookupError, AssertionError, ArithmeticError, MemoryError),
)
"""Errors that zipfile, pickletools and torch raise for damaged or crafted files."""


def read_state(path: Path, width: int) -> dict[str, Tensor]:
    """Load the tensors of one file after checking its sizes and its pickle. Raises AdapterError."""
    # The largest edit has a D x D base, and D x K and K x D factors with K <= D, in float32.
    limit = 4 * (3 * width * width + 4 * width) + _SLACK
    try:
        data = read_plain(path, limit)
        _check_archive(data, limit, path.name)
        state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except LargeFileError as error:
        raise AdapterError(
            "{name} is larger than any edit of a base model of width {width} can be.",
            kind="pyreft.file_size",
            name=path.name,
            width=width,
        ) from error
    except NotPlainError as error:
        raise not_plain(path.name) from error
    except DAMAGE as error:
        raise AdapterError("{name} is damaged, or no file that torch wrote.", kind="pyreft.file_damaged", name=path.name) from error
    if not isinstance(state, dict) or not all(isinstance(name, str) and type(value) is Tensor for name, value in state.items()):
        raise AdapterError("{name} holds something else than tensors by name.", kind="pyreft.no_tensors", name=path.name)
    return dict(state)


def _check_archive(data: bytes, limit: int, name: str) -> None:
    """Raises AdapterError for a compressed or oversized archive, or a pickle that names anything but tensors."""
    if not data.startswith(b"PK\x03\x04"):
        raise zipfile.BadZipFile
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries) or sum(entry.file_size for entry in entries) > limit:
            raise AdapterError("{name} declares more data than an edit of this base model has.", kind="pyreft.tensor_size", name=name)
        pickles = [entry for entry in entries if entry.filename.rpartition("/")[2] == "data.pkl"]
        if len(pickles) != 1 or pickles[0].file_size > _PICKLE_LIMIT:
            raise AdapterError("{name} does not hold the one small pickle that torch writes.", kind="pyreft.pickle", name=name)
        for code, argument, _ in pickletools.genops(archive.read(pickles[0])):
            if code.name in _CALL_OPCODES or (code.name == "GLOBAL" and not _GLOBALS.fullmatch(str(argument))):
                raise AdapterError(
                    "{name} holds code ({code}) where only tensors belong; it was not opened.",
                    kind="pyreft.code",
                    name=name,
                    code=str(argument or code.name)[:80],
                )
