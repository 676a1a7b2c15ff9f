"""Presets of one's own: the settings of the Train form, saved under a name and applied again; they hold no dataset."""

from dataclasses import asdict, replace

from app.errors import StudioError
from app.handlers.train import FIELDS, TrainForm, read_form
from app.services import Services
from app.words import say
from storage import PresetRecord

BASE_FIELDS = ("base", "revision")
"""Fields that a preset holds only if a person wants that."""


def saved(services: Services) -> list[PresetRecord]:
    """Every preset, by name."""
    return services.storage.presets.all()


def save(services: Services, name: str, form: TrainForm, *, with_base: bool = False) -> PresetRecord:
    """Save the settings of a form under a name. Raises ConfigError, StudioError, StorageError."""
    if not name.strip():
        raise StudioError(say("presets.no_name"))
    read_form(services.settings, form)  # settings that no run can have are not worth a name
    left_out = () if with_base else BASE_FIELDS
    return services.storage.presets.create(name, {field: value for field, value in asdict(form).items() if field not in left_out})


def apply(services: Services, preset_id: str | None, form: TrainForm) -> TrainForm:
    """A form with the settings of a preset; fields that it does not hold stay as they are.

    Settings of another version of the studio that this one does not know are left out.

    Raises:
        NotFoundError: there is no such preset.
        ConfigError, StudioError: no run can have these settings here, or none is chosen.
    """
    preset = services.storage.presets.get(_chosen(preset_id))
    applied = replace(form, **{name: value for name, value in preset.settings.items() if name in FIELDS})
    read_form(services.settings, applied)
    return applied


def rename(services: Services, preset_id: str | None, name: str) -> PresetRecord:
    """Rename a preset. Raises NotFoundError, StudioError, StorageError."""
    if not name.strip():
        raise StudioError(say("presets.no_name"))
    return services.storage.presets.rename(_chosen(preset_id), name)


def delete(services: Services, preset_id: str | None) -> PresetRecord:
    """Delete a preset; `undo` takes what is returned. Raises NotFoundError, StudioError."""
    return services.storage.presets.delete(_chosen(preset_id))


def undo(services: Services, deleted: PresetRecord | None) -> PresetRecord:
    """Save a deleted preset again. Raises StudioError, StorageError."""
    if deleted is None:
        raise StudioError(say("presets.nothing_deleted"))
    return services.storage.presets.put_back(deleted)


def _chosen(preset_id: str | None) -> str:
    if not preset_id:
        raise StudioError(say("presets.choose"))
    return preset_id
