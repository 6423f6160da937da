"""How much of each blob was stored already when it came to a repo; unknown for what came before."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "arrivals",
        sa.Column("repo_id", sa.String(32), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("known_bytes", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repo_id", "sha256"],
            ["repo_blobs.repo_id", "repo_blobs.sha256"],
            name=op.f("fk_arrivals_repo_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("repo_id", "sha256", name=op.f("pk_arrivals")),
    )


def downgrade() -> None:
    raise NotImplementedError("Restore the backup that was made before the upgrade.")
