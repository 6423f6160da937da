"""When a blob was last in use, so that garbage collection waits from then on."""

import sqlalchemy as sa
from alembic import op

from openshelf.storage.catalogue.schema import Timestamp

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("blobs", sa.Column("used_at", Timestamp(), nullable=False, server_default="0"))
    op.execute("UPDATE blobs SET used_at = created_at")


def downgrade() -> None:
    raise NotImplementedError("Restore the backup that was made before the upgrade.")
