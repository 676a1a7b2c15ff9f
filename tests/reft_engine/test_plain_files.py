"""No link, pipe, socket or device in an adapter's or a model's folder is opened; the links of the Hub's own cache are followed."""

import json
import os
import shutil
import socket
from pathlib import Path

import pytest

from reft_engine import AdapterError, ModelLoadError, load_base
from reft_engine.base import is_here, load_tokenizer
from reft_engine.formats import read_config
from reft_engine.formats.adapter import read_tensors
from reft_engine.formats.pyreft.unpickling import read_state
from reft_engine.formats.recorded import RecordedBase, recorded_base
from reft_engine.plain_files import LargeFileError, NotPlainError, check_plain, plain_files, read_plain


def _pipe(path, tmp_path):
    os.mkfifo(path)


def _link(path, tmp_path):
    (tmp_path / "elsewhere").write_text("{}")
    path.symlink_to(tmp_path / "elsewhere")


def _link_to_a_device(path, tmp_path):
    path.symlink_to("/dev/zero")


def _link_to_nothing(path, tmp_path):
    path.symlink_to(tmp_path / "nothing")


def _socket(path, tmp_path):
    before = Path.cwd()
    os.chdir(path.parent)  # the name of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(path.name)
    finally:
        os.chdir(before)


ODD = [_pipe, _link, _link_to_a_device, _link_to_nothing, _socket]


@pytest.mark.parametrize("make", ODD)
def test_what_is_no_plain_file_is_not_read(tmp_path, make):
    path = tmp_path / "file.json"
    make(path, tmp_path)
    with pytest.raises(NotPlainError):
        read_plain(path, 100)
    with pytest.raises(NotPlainError):
        check_plain(path)


def test_a_plain_file_is_read_up_to_its_size(tmp_path):
    path = tmp_path / "file.json"
    with pytest.raises(FileNotFoundError):
        read_plain(path, 3)
    with pytest.raises(IsADirectoryError):
        read_plain(tmp_path, 3)
    path.write_bytes(b"abc")
    assert read_plain(path, 3) == b"abc" and check_plain(path).st_size == 3
    with pytest.raises(LargeFileError):
        read_plain(path, 2)


def test_of_a_snapshot_the_links_to_its_own_blobs_are_followed_and_no_others(tmp_path):
    snapshot, blobs = tmp_path / "models--a--b/snapshots/c0ffee", tmp_path / "models--a--b/blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    (blobs / "1234").write_bytes(b"{}")
    (tmp_path / "secret").write_bytes(b"secret")
    (snapshot / "config.json").symlink_to("../../blobs/1234")
    (snapshot / "whole.json").symlink_to(blobs / "1234")
    assert read_plain(snapshot / "config.json", 10) == read_plain(snapshot / "whole.json", 10) == b"{}"
    assert sorted((path.name, size) for path, size in plain_files(snapshot)) == [("config.json", 2), ("whole.json", 2)]
    (blobs / "5678").symlink_to(tmp_path / "secret")
    os.mkfifo(blobs / "9abc")
    for target in ("../../../secret", "../../blobs/../../secret", "../../blobs/5678", "../../blobs/9abc", "../../blobs"):
        (snapshot / "odd.json").symlink_to(target)
        with pytest.raises(NotPlainError):
            read_plain(snapshot / "odd.json", 10)
        with pytest.raises(NotPlainError):
            list(plain_files(snapshot))
        (snapshot / "odd.json").unlink()


@pytest.mark.parametrize("make", ODD)
def test_an_adapters_description_that_is_no_plain_file_is_refused(tmp_path, make):
    folder = tmp_path / "adapter"
    folder.mkdir()
    make(folder / "reft_config.json", tmp_path)
    with pytest.raises(AdapterError, match=r"reft_config\.json is no plain file"):
        read_config(folder)
    assert recorded_base(folder) == RecordedBase()


@pytest.mark.parametrize("make", ODD)
def test_weights_and_pickles_of_an_adapter_that_are_no_plain_files_are_refused(tmp_path, make):
    make(tmp_path / "weights", tmp_path)
    for read in (lambda: read_tensors(tmp_path, {}, "weights"), lambda: read_state(tmp_path / "weights", 8)):
        with pytest.raises(AdapterError, match="weights is no plain file"):
            read()


@pytest.mark.parametrize("make", ODD)
@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "model.safetensors", "chat_template.jinja", "inside/config.json"])
def test_a_models_folder_with_what_is_no_plain_file_is_refused(tiny_base, tmp_path, make, name):
    folder = tmp_path / "model"
    shutil.copytree(tiny_base, folder)
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    make(path, tmp_path)
    for load in (load_base, load_tokenizer, is_here):
        with pytest.raises(ModelLoadError, match=f"{path.name} is no plain file; links, pipes and devices"):
            load(str(folder))


def test_a_models_description_without_end_is_refused(tiny_base, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(tiny_base, folder)
    with (folder / "tokenizer_config.json").open("wb") as file:
        file.truncate(10_000_001)  # a file of zeros that takes no room
    with pytest.raises(ModelLoadError, match=r"tokenizer_config\.json is larger than it can be"):
        load_tokenizer(str(folder))


def test_a_hidden_link_and_a_link_to_the_folder_itself_are_no_matter(tiny_base, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(tiny_base, folder)
    (folder / ".cache").symlink_to(tmp_path)
    (tmp_path / "current").symlink_to(folder)
    assert load_tokenizer(str(tmp_path / "current")).layers == json.loads((folder / "config.json").read_text())["num_hidden_layers"]
