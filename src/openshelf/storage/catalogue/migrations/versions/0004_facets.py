"""Facets of lists as sets of repos, sizes and parameters to sort by, and what people say about themselves."""

import sqlalchemy as sa
from alembic import op

from openshelf.storage.catalogue import facets

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("bio", "website"):
        op.add_column("accounts", sa.Column(name, sa.Text(), nullable=False, server_default=""))
    op.add_column("repos", sa.Column("facets", sa.JSON(), nullable=False, server_default="{}"))
    op.add_column("repos", sa.Column("size_bytes", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("repos", sa.Column("parameters", sa.BigInteger()))
    # Repos of earlier releases are at 0, and are described anew in the background.
    op.add_column("repos", sa.Column("described", sa.Integer(), nullable=False, server_default="0"))
    for name in ("parameters", "described", "created_at", "name_key", "size_bytes"):
        op.create_index(f"ix_repos_{name}", "repos", [name])
    for name in ("updated_at", "created_at", "downloads", "name_key", "size_bytes"):
        op.create_index(f"ix_repos_kind_{name}", "repos", ["kind", name])
    op.create_table(
        "facet_sets",
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("facet", sa.String(16), nullable=False),
        sa.Column("value", sa.String(255), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("repos", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "facet", "value", name=op.f("pk_facet_sets")),
    )
    op.create_index("ix_facet_sets_kind_facet_total", "facet_sets", ["kind", "facet", "total"])
    op.create_table(
        "weight_headers",
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["sha256"], ["blobs.sha256"], name=op.f("fk_weight_headers_sha256"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_weight_headers")),
    )
    # The sets take the place of the table of tags.
    op.drop_table("repo_tags")
    facets.rebuild(op.get_bind())


def downgrade() -> None:
    raise NotImplementedError("Restore the backup that was made before the upgrade.")
