from dataclasses import asdict, replace

import pytest

from app.errors import StudioError
from app.handlers import presets
from app.handlers.train import FIELDS, TrainForm
from reft_engine import ConfigError
from storage import StorageError
from tests.settings.examples import SETTINGS, another

OTHER = {name: another(row) for name, row in SETTINGS.items() if name not in ("base", "labels", "pooling", "identity_init", "activation")}


def test_a_preset_sets_every_setting_but_the_base_model(services):
    form = TrainForm(**OTHER)
    made = presets.save(services, "Mine", form)
    assert set(made.settings) == set(FIELDS) - {"base", "revision"}
    before = TrainForm(base="owner/model", revision="v1")
    assert presets.apply(services, made.id, before) == replace(form, base="owner/model", revision="v1")
    assert presets.saved(services) == [made]


def test_the_base_model_is_part_of_it_where_a_person_wants_that(services):
    made = presets.save(services, "Mine", TrainForm(base="owner/model", revision="v1"), with_base=True)
    assert presets.apply(services, made.id, TrainForm()) == TrainForm(base="owner/model", revision="v1")


def test_what_no_run_can_have_is_neither_saved_nor_applied(services):
    with pytest.raises(ConfigError):
        presets.save(services, "Mine", TrainForm(rank=0))
    with pytest.raises(StudioError, match="Give the preset a name"):
        presets.save(services, " \n", TrainForm())
    made = services.storage.presets.create("Old", {"rank": 0})
    with pytest.raises(ConfigError):
        presets.apply(services, made.id, TrainForm())


def test_settings_of_another_version_are_left_out(services):
    made = services.storage.presets.create("Later", {"rank": 3, "made_up": 1})
    assert presets.apply(services, made.id, TrainForm()) == TrainForm(rank=3)


def test_a_preset_fills_in_a_form_that_is_empty(services):
    made = presets.save(services, "Mine", TrainForm(rank=3))
    empty = replace(TrainForm(), rank=None, epochs=None, layers="")
    assert asdict(presets.apply(services, made.id, empty)) == asdict(TrainForm(rank=3))


def test_one_has_to_be_chosen_and_what_is_deleted_can_be_put_back(services):
    for act, *given in ((presets.delete, None), (presets.rename, "", "x"), (presets.apply, None, TrainForm())):
        with pytest.raises(StudioError, match="Choose a preset first"):
            act(services, *given)
    with pytest.raises(StudioError, match="nothing to put back"):
        presets.undo(services, None)
    made = presets.save(services, "Mine", TrainForm())
    assert presets.rename(services, made.id, "Yours").name == "Yours"
    with pytest.raises(StudioError, match="Give the preset a name"):
        presets.rename(services, made.id, "")
    deleted = presets.delete(services, made.id)
    assert presets.saved(services) == [] and presets.undo(services, deleted).name == "Yours"
    with pytest.raises(StorageError, match="already"):
        presets.save(services, "yours", TrainForm())
