"""Versions of datasets, their tags and bin; each run keeps the version that it was made from."""

import secrets
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_MOVED = ("label", "shape", "rows", "usable_rows", "mapping", "size_bytes")


def upgrade() -> None:
    """Create dataset_versions with one version for each dataset; alter datasets and runs."""
    op.create_table(
        "dataset_versions",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("dataset_id", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=True),
        sa.Column("source_file", sa.String(length=80), nullable=True),
        sa.Column("label", sa.String(length=300), nullable=False),
        sa.Column("shape", sa.String(length=50), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("usable_rows", sa.Integer(), nullable=False),
        sa.Column("reading", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("split", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("change", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["dataset_id"], ["datasets.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("dataset_id", "number"),
    )
    with op.batch_alter_table("datasets") as batch:
        batch.add_column(sa.Column("tags", sa.JSON(), nullable=False, server_default="[]"))
        batch.add_column(sa.Column("binned_at", sa.DateTime(timezone=True), nullable=True))
        batch.create_index(op.f("ix_datasets_binned_at"), ["binned_at"], unique=False)
    with op.batch_alter_table("runs") as batch:
        batch.add_column(sa.Column("version_id", sa.String(length=32), nullable=True))
    _carry_over(op.get_bind())
    with op.batch_alter_table("datasets") as batch:
        batch.alter_column("tags", server_default=None)
        for name in _MOVED:
            batch.drop_column(name)
    with op.batch_alter_table("runs") as batch:
        batch.alter_column("version_id", existing_type=sa.String(length=32), nullable=False)
        batch.create_foreign_key("runs_version_id_fkey", "dataset_versions", ["version_id"], ["id"], ondelete="RESTRICT")
        batch.create_index(op.f("ix_runs_version_id"), ["version_id"], unique=False)


def _carry_over(connection: sa.Connection) -> None:
    """Make the rows that each dataset has its first version, and the version of each of its runs."""
    kept = ("label", "shape", "rows", "usable_rows", "size_bytes")
    time = sa.column("created_at", sa.DateTime(timezone=True))
    datasets = sa.table("datasets", sa.column("id"), *map(sa.column, kept), sa.column("mapping", sa.JSON), time)
    versions = sa.table(
        "dataset_versions", *map(sa.column, ("id", "dataset_id", "number", "source_file", "change", *kept)),
        sa.column("reading", sa.JSON(none_as_null=True)), sa.column("created_at", sa.DateTime(timezone=True)),
    )  # fmt: skip
    runs = sa.table("runs", sa.column("dataset_id"), sa.column("version_id"))
    for row in connection.execute(sa.select(datasets)).mappings().all():
        version: dict[str, Any] = {name: row[name] for name in (*kept, "created_at")}
        version |= {"id": secrets.token_hex(6), "dataset_id": row["id"], "number": 1, "source_file": "source", "change": ""}
        connection.execute(versions.insert().values({**version, "reading": _reading(row["mapping"])}))
        connection.execute(runs.update().where(runs.c.dataset_id == row["id"]).values(version_id=version["id"]))


def _reading(mapping: dict[str, str] | None) -> dict[str, Any] | None:
    """The two columns that a person chose, as roles of columns."""
    return {"roles": {column: role for role, column in mapping.items()}} if mapping else None
