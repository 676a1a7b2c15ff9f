"""The phase of a run besides its steps, and the indices of its held-out examples."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Alter runs."""
    with op.batch_alter_table("runs") as batch:
        batch.add_column(sa.Column("phase", sa.JSON(), nullable=True))
        batch.add_column(sa.Column("held_out_places", sa.JSON(), nullable=True))
