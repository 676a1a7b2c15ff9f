"""Real files from the upload to an answer, by the handlers that the pages call and a real worker; a browser does it in tests/journeys."""

import json
import shutil
import zipfile
from io import BytesIO
from itertools import islice

import pytest

from app.cli import main
from app.handlers import datasets, runs, train
from storage import RunStatus
from tests.chatting import asked_of_both, followed, said

CHAT = "chat/toy_chat_fine_tuning.jsonl"
INSTRUCTIONS = "instruct/identity.json"
LABELS = "classify/sst2/dev.tsv"
SHAPES = {CHAT: "messages", INSTRUCTIONS: "instructions", LABELS: "labels"}


@pytest.mark.parametrize(
    ("name", "lines", "prompt"),
    [(CHAT, None, "I fell off my bike today."), (LABELS, 120, "it 's a charming and often affecting journey .")],
)
def test_from_a_real_file_to_the_same_answer_in_another_process(engine, tiny_base, shared, tmp_path, capfd, ended, name, lines, prompt):
    there_and_back(engine, str(tiny_base), shared, tmp_path, capfd, ended, name, lines, 1, prompt)


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "epochs", "prompt"),
    [
        (CHAT, 20, "I fell off my bike today."), (INSTRUCTIONS, 6, "hi"),
        (LABELS, 1, "it 's a charming and often affecting journey ."),
    ],
)  # fmt: skip
def test_the_starter_goes_the_same_way_with_a_whole_file(engine, shared, tmp_path, capfd, ended, name, epochs, prompt):
    there_and_back(engine, "starter", shared, tmp_path, capfd, ended, name, None, epochs, prompt)


def there_and_back(engine, base, shared, tmp_path, capfd, ended, name, lines, epochs, prompt):
    path = shutil.copy(shared / "data" / name, tmp_path / name.rpartition("/")[2])
    if lines:
        with path.open() as whole:
            kept = list(islice(whole, lines))
        path.write_text("".join(kept))
    found = datasets.inspect_upload(str(path))
    assert found.shape == SHAPES[name]
    dataset = datasets.save_upload(engine, str(path), label=path.name)
    run = train.start(engine, dataset.id, train.TrainForm(base=base, epochs=epochs, learning_rate=2e-2), "page")
    run = ended(engine, run)
    assert run.status is RunStatus.FINISHED, run.sentence
    with zipfile.ZipFile(BytesIO(runs.adapter_zip(engine, run.id)[1])) as archive:
        assert {"reft_config.json", "reft_model.safetensors", "README.md"} == set(archive.namelist())
        archive.extractall(tmp_path / "adapter")
    plain, tuned = said(followed(engine, asked_of_both(run.id, prompt, settings={"max_new_tokens": 128})))
    assert plain and plain != tuned
    capfd.readouterr()
    assert main(["chat", str(tmp_path / "adapter"), "--prompt", prompt, "--json"]) == 0
    assert json.loads(capfd.readouterr().out) == {"base": plain, "tuned": tuned}
