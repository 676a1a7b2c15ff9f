"""The store of presets: settings that people have saved under names of their own."""

import secrets
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from storage.database import Database
from storage.datasets import clean_name
from storage.errors import NotFoundError, StorageError
from storage.records import PresetRecord
from storage.tables import Preset, now

MOST = 200
"""Presets of one data folder."""


class PresetStore:
    """Saves, lists, renames and deletes presets; no two have the same name."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, name: str, settings: dict[str, Any]) -> PresetRecord:
        """Save settings under a name. Raises StorageError if the name is taken, or there are too many presets."""
        with self._database.exclusive() as session:
            names = list(session.scalars(select(Preset.name)))
            if len(names) >= MOST:
                raise StorageError("There are {most} presets already; delete one first.", kind="presets.many", most=MOST)
            row = Preset(id=secrets.token_hex(6), name=_free_name(session, name), settings=settings, created_at=now())
            session.add(row)
            return _to_record(row)

    def put_back(self, preset: PresetRecord) -> PresetRecord:
        """Save a deleted preset again, as it was. Raises StorageError if its name has been taken since."""
        try:
            with self._database.exclusive() as session:
                if row := session.get(Preset, preset.id):
                    return _to_record(row)
                name = _free_name(session, preset.name)
                session.add(Preset(id=preset.id, name=name, settings=preset.settings, created_at=preset.created_at))
        except IntegrityError:  # a second click on the same button
            return self.get(preset.id)
        return preset

    def get(self, preset_id: str) -> PresetRecord:
        """One preset. Raises NotFoundError."""
        with self._database.reading() as session:
            return _to_record(_get_row(session, preset_id))

    def all(self) -> list[PresetRecord]:
        """Every preset, by name."""
        with self._database.reading() as session:
            rows = [_to_record(row) for row in session.scalars(select(Preset))]
        return sorted(rows, key=lambda preset: (preset.name.casefold(), preset.name))

    def rename(self, preset_id: str, name: str) -> PresetRecord:
        """Rename a preset. Raises NotFoundError, and StorageError if the name is taken."""
        with self._database.exclusive() as session:
            row = _get_row(session, preset_id)
            row.name = _free_name(session, name, row.id)
            return _to_record(row)

    def delete(self, preset_id: str) -> PresetRecord:
        """Delete a preset, which `put_back` saves again. Raises NotFoundError."""
        with self._database.transaction() as session:
            row = _get_row(session, preset_id)
            session.delete(row)
            return _to_record(row)


def _get_row(session: Session, preset_id: str) -> Preset:
    row = session.get(Preset, preset_id)
    if row is None:
        raise NotFoundError("There is no such preset any more.", kind="presets.not_found")
    return row


def _free_name(session: Session, name: str, own: str = "") -> str:
    """The name, made fit for one line. Raises StorageError if another preset has it, whatever its case."""
    cleaned = clean_name(name)
    for row in session.scalars(select(Preset)):
        if row.id != own and row.name.casefold() == cleaned.casefold():
            raise StorageError("There is a preset {name} already; choose another name.", kind="presets.taken", name=row.name)
    return cleaned


def _to_record(row: Preset) -> PresetRecord:
    return PresetRecord(row.id, row.name, row.settings, row.created_at)
