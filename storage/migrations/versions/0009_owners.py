"""Each dataset, run, group, preset, conversation and vote belongs to a person, what there is to the local one; sessions of people."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_OWNED = ("datasets", "runs", "run_groups", "presets", "chats", "votes")
_UNNAMED = {"uq": "uq_%(table_name)s_%(column_0_name)s"}
"""SQLite gives a constraint no name of its own; PostgreSQL names it ``table_column_key``."""


def upgrade() -> None:
    """Add owners; names of presets and keys of requests are of one owner."""
    for table in _OWNED:
        op.add_column(table, sa.Column("owner", sa.String(length=64), nullable=False, server_default=""))
        op.create_index(f"ix_{table}_owner", table, ["owner"])
    sqlite = op.get_bind().dialect.name == "sqlite"
    for table, column in (("runs", "start_key"), ("presets", "name")):
        with op.batch_alter_table(table, naming_convention=_UNNAMED) as batch:
            batch.drop_constraint(f"uq_{table}_{column}" if sqlite else f"{table}_{column}_key", type_="unique")
            batch.create_unique_constraint(f"uq_{table}_owner", ["owner", column])
    op.create_table(
        "person_sessions",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    for column in ("person", "expires_at"):
        op.create_index(f"ix_person_sessions_{column}", "person_sessions", [column])
    for table in ("chats", "votes"):
        op.drop_index(f"ix_{table}_start_key", table)
        op.create_index(f"ix_{table}_start_key", table, ["owner", "start_key"], unique=True)
