# SPDX-License-Identifier: Apache-2.0
"""Statistics of repositories, manifests and tags."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

WORD = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _create_repository_statistics()
    _create_manifest_statistics()
    _create_tag_statistics()


def _create_repository_statistics() -> None:
    op.create_table(
        "repository_statistics",
        sa.Column("repository_id", ID, autoincrement=False, nullable=False),
        sa.Column("pulls", sa.BigInteger(), nullable=False),
        sa.Column("bytes_sent", sa.BigInteger(), nullable=False),
        sa.Column("last_pulled_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"],
            ["repositories.id"],
            name=op.f("fk_repository_statistics_repository_id_repositories"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("repository_id", name=op.f("pk_repository_statistics")),
        sqlite_with_rowid=False,
    )


def _create_manifest_statistics() -> None:
    op.create_table(
        "manifest_statistics",
        sa.Column("repository_id", ID, nullable=False),
        sa.Column("digest", WORD, nullable=False),
        sa.Column("pulls", sa.BigInteger(), nullable=False),
        sa.Column("last_pulled_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id", "digest"],
            ["manifests.repository_id", "manifests.digest"],
            name=op.f("fk_manifest_statistics_repository_id_digest_manifests"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("repository_id", "digest", name=op.f("pk_manifest_statistics")),
        sqlite_with_rowid=False,
    )


def _create_tag_statistics() -> None:
    op.create_table(
        "tag_statistics",
        sa.Column("repository_id", ID, nullable=False),
        sa.Column("name", WORD, nullable=False),
        sa.Column("pulls", sa.BigInteger(), nullable=False),
        sa.Column("last_pulled_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id", "name"],
            ["tags.repository_id", "tags.name"],
            name=op.f("fk_tag_statistics_repository_id_name_tags"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("repository_id", "name", name=op.f("pk_tag_statistics")),
        sqlite_with_rowid=False,
    )
