"""Real files from the upload to an answer, by the handlers that the pages call and a real worker; a browser does it in tests/journeys."""

import json
import shutil
import zipfile
from io import BytesIO
from itertools import islice

import pytest

from app.cli import main
from app.handlers import datasets, runs, train
from app.handlers.playground import answer
from storage import RunStatus


@pytest.mark.parametrize(
    ("name", "lines", "epochs", "prompt"),
    [
        ("instruct/identity.json", None, 1, "hi"),
        ("classify/sst2/dev.tsv", 120, 1, "it 's a charming and often affecting journey ."),
        pytest.param("instruct/identity.json", None, 6, "hi", marks=pytest.mark.long),
        pytest.param("classify/sst2/dev.tsv", None, 1, "it 's a charming and often affecting journey .", marks=pytest.mark.long),
    ],
)
def test_from_a_real_file_to_the_same_answer_in_another_process(engine, shared, tmp_path, capfd, ended, name, lines, epochs, prompt):
    path = shutil.copy(shared / "data" / name, tmp_path / name.rpartition("/")[2])
    if lines:
        with path.open() as whole:
            kept = list(islice(whole, lines))
        path.write_text("".join(kept))
    found = datasets.inspect_upload(str(path))
    assert found.shape in ("instructions", "labels")
    dataset = datasets.save_upload(engine, str(path), label=path.name)
    run = train.start(engine, dataset.id, train.TrainForm(epochs=epochs, learning_rate=2e-2), "page")
    run = ended(engine, run)
    assert run.status is RunStatus.FINISHED, run.sentence
    with zipfile.ZipFile(BytesIO(runs.adapter_zip(engine, run.id)[1])) as archive:
        assert {"reft_config.json", "reft_model.safetensors", "README.md"} == set(archive.namelist())
        archive.extractall(tmp_path / "adapter")
    said = list(answer(engine, run.id, prompt))[-1]
    assert said.base and said.base != said.tuned
    capfd.readouterr()
    assert main(["chat", str(tmp_path / "adapter"), "--prompt", prompt, "--json"]) == 0
    assert json.loads(capfd.readouterr().out) == {"base": said.base, "tuned": said.tuned}
