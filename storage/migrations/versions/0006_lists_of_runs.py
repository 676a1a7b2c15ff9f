"""Stars, tags and notes of runs, what lists show and search, their indices, the pause of the queue, and several samples a step."""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Alter runs and samples; create queue_pause."""
    op.create_table(
        "queue_pause",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("runs") as batch:
        batch.add_column(sa.Column("continues_id", sa.String(length=32), nullable=True))
        batch.add_column(sa.Column("discard_requested", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch.add_column(sa.Column("start_after", sa.DateTime(timezone=True), nullable=True))
        batch.add_column(sa.Column("seconds", sa.Double(), nullable=False, server_default="0"))
        batch.add_column(sa.Column("held_out", sa.Double(), nullable=True))
        batch.add_column(sa.Column("held_out_base", sa.Double(), nullable=True))
        batch.add_column(sa.Column("sparkline", sa.JSON(), nullable=True))
        batch.add_column(sa.Column("starred", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch.add_column(sa.Column("tags", sa.JSON(), nullable=False, server_default="[]"))
        batch.add_column(sa.Column("notes", sa.Text(), nullable=False, server_default=""))
        batch.add_column(sa.Column("search_text", sa.Text(), nullable=False, server_default=""))
        for column in ("status", "created_at", "binned_at", "dataset_id"):
            batch.drop_index(op.f(f"ix_runs_{column}"))
        batch.create_index("ix_runs_made", ["binned_at", "created_at", "id"])
        batch.create_index("ix_runs_state", ["binned_at", "status", "created_at", "id"])
        batch.create_index("ix_runs_name", ["binned_at", "name", "id"])
        batch.create_index("ix_runs_held_out", ["binned_at", "held_out", "id"])
        batch.create_index("ix_runs_base", ["binned_at", "base"])
        batch.create_index("ix_runs_dataset", ["dataset_id", "binned_at", "created_at", "id", "version_id"])
        batch.create_index("ix_runs_starred", ["binned_at", "starred", "created_at", "id"])
    with op.batch_alter_table("runs") as batch:  # the program writes these columns itself
        for column in ("discard_requested", "seconds", "starred", "tags", "notes", "search_text"):
            batch.alter_column(column, server_default=None)
    _fill()
    _let_a_step_have_several_samples()


_LOSSES = """
SELECT metrics.run_id, (metrics.step - 1) * 24 / runs.total_steps AS part, AVG(metrics.value)
FROM metrics JOIN runs ON runs.id = metrics.run_id
WHERE metrics.name = 'loss' AND metrics.step BETWEEN 1 AND runs.total_steps
GROUP BY metrics.run_id, part ORDER BY metrics.run_id, part
"""


def _fill() -> None:
    """Write what lists show of the runs that there are; the sparkline of a run is its training loss in equal shares of its steps."""
    losses: dict[str, list[float]] = {}
    for run_id, _, loss in op.get_bind().execute(sa.text(_LOSSES)).all():
        losses.setdefault(run_id, []).append(round(loss, 4))
    runs = sa.table(
        "runs",
        *map(sa.column, ("id", "name", "base", "summary", "seconds", "held_out", "held_out_base", "search_text")),
        sa.column("sparkline", sa.JSON()),
    )
    connection = op.get_bind()
    for row in connection.execute(sa.select(runs.c.id, runs.c.name, runs.c.base, runs.c.summary)).all():
        summary = _read(row.summary)
        values = {
            "seconds": float(summary.get("seconds") or 0),
            "held_out": summary.get("held_out_tuned"),
            "held_out_base": summary.get("held_out_base"),
            "sparkline": losses.get(row.id),
            "search_text": f"{row.name}\n{row.base}".casefold(),
        }
        connection.execute(sa.update(runs).where(runs.c.id == row.id).values(values))


def _read(summary: Any) -> dict[str, Any]:
    """JSON as one of the databases gives it: as text, or read already; what is no object holds nothing."""
    try:
        found = json.loads(summary) if isinstance(summary, str) else summary
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _let_a_step_have_several_samples() -> None:
    """Give each sample its place among those of its step."""
    # A name for the constraint that the first schema left to the database: PostgreSQL's own, which SQLite is told here.
    names = {"uq": "%(table_name)s_%(column_0_N_name)s_key"}
    with op.batch_alter_table("samples", naming_convention=names, table_kwargs={"sqlite_autoincrement": True}) as batch:
        batch.add_column(sa.Column("place", sa.Integer(), nullable=False, server_default="0"))
        batch.drop_constraint("samples_run_id_step_key", type_="unique")
        batch.create_unique_constraint("samples_run_id_step_place_key", ["run_id", "step", "place"])
    with op.batch_alter_table("samples", table_kwargs={"sqlite_autoincrement": True}) as batch:
        batch.alter_column("place", server_default=None)
