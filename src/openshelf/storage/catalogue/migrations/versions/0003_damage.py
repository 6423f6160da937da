"""Which stored bytes are known to be damaged."""

import sqlalchemy as sa
from alembic import op

from openshelf.storage.catalogue.schema import Timestamp

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("blobs", "xorbs", "repos"):
        op.add_column(table, sa.Column("damage", sa.Text()))
        op.add_column(table, sa.Column("damaged_at", Timestamp()))
        is_damaged = sa.text("damaged_at IS NOT NULL")
        op.create_index(
            f"ix_{table}_damaged_at", table, ["damaged_at"], sqlite_where=is_damaged, postgresql_where=is_damaged
        )


def downgrade() -> None:
    raise NotImplementedError("Restore the backup that was made before the upgrade.")
