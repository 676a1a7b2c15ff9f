"""Queue positions, the bin, the reason for a failure, the number of worker exits, and the table of workers."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Alter runs and events; create workers."""
    op.create_table(
        "workers",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("beats", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("datasets") as batch:
        batch.alter_column("size_bytes", type_=sa.BigInteger(), existing_type=sa.Integer(), existing_nullable=False)
    with op.batch_alter_table("events") as batch:
        batch.add_column(sa.Column("status", sa.String(length=20), nullable=True))
    with op.batch_alter_table("runs") as batch:
        batch.add_column(sa.Column("failure", sa.JSON(), nullable=True))
        batch.add_column(sa.Column("turn", sa.Integer(), nullable=False, server_default="0"))
        batch.add_column(sa.Column("deaths", sa.Integer(), nullable=False, server_default="0"))
        batch.add_column(sa.Column("died_at_step", sa.Integer(), nullable=True))
        batch.add_column(sa.Column("binned_at", sa.DateTime(timezone=True), nullable=True))
        batch.create_index(op.f("ix_runs_turn"), ["turn"], unique=False)
        batch.create_index(op.f("ix_runs_worker"), ["worker"], unique=False)
        batch.create_index(op.f("ix_runs_binned_at"), ["binned_at"], unique=False)
    _carry_over(op.get_bind())
    with op.batch_alter_table("runs") as batch:
        batch.alter_column("turn", server_default=None)
        batch.alter_column("deaths", server_default=None)
        batch.drop_column("error")
        batch.drop_column("queued_at")


def _carry_over(connection: sa.Connection) -> None:
    """Number the queue by the times of queueing; turn an error's text into a failure."""
    columns = ("id", "queued_at", "created_at", "error", "turn")
    runs = sa.table("runs", *map(sa.column, columns), sa.column("failure", sa.JSON))
    rows = connection.execute(sa.select(runs.c.id, runs.c.error).order_by(runs.c.queued_at, runs.c.created_at)).all()
    for position, (run_id, error) in enumerate(rows, start=1):
        failure = {"kind": "bug", "what": error, "why": "", "advice": "", "remedy": None, "label": ""}
        values = {"turn": position, "failure": failure} if error else {"turn": position}
        connection.execute(runs.update().where(runs.c.id == run_id).values(values))
