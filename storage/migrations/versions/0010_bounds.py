"""What each dataset and run holds on the disk, what a run is expected to hold, and whose turn in the queue it was last."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add sizes, which are measured when they are first asked for, and turns."""
    for table in ("datasets", "runs"):
        op.add_column(table, sa.Column("size_bytes", sa.BigInteger(), nullable=True))
    op.add_column("runs", sa.Column("expected_bytes", sa.BigInteger(), nullable=False, server_default="0"))
    op.create_table(
        "queue_turns",
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("owner"),
    )
