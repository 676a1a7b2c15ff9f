"""What a run is at beside its steps, and which of its examples are held out."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Change runs."""
    with op.batch_alter_table("runs") as batch:
        batch.add_column(sa.Column("phase", sa.JSON(), nullable=True))
        batch.add_column(sa.Column("held_out_places", sa.JSON(), nullable=True))
