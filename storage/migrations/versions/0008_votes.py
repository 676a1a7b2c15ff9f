"""Votes on answers whose columns a person did not know; what was sent twice is kept once; sizes are added up without reading texts."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Create votes; give chats a key of their first request."""
    op.create_table(
        "votes",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("start_key", sa.String(length=100), nullable=True),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("messages", sa.JSON(), nullable=False),
        sa.Column("columns", sa.JSON(), nullable=False),
        sa.Column("texts", sa.JSON(), nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("chosen", sa.Integer(), nullable=True),
        sa.Column("base", sa.Text(), nullable=False),
        sa.Column("chat_id", sa.String(length=32), nullable=True),
        sa.Column("binned_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("votes") as batch:
        batch.create_index("ix_votes_cast", ["binned_at", "created_at", "id"])
        batch.create_index("ix_votes_size", ["size_bytes"])
        batch.create_index("ix_votes_start_key", ["start_key"], unique=True)
    op.add_column("chats", sa.Column("start_key", sa.String(length=100), nullable=True))
    op.create_index("ix_chats_size", "chats", ["size_bytes"])
    op.create_index("ix_chats_start_key", "chats", ["start_key"], unique=True)
