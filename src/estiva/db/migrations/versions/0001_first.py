# SPDX-License-Identifier: Apache-2.0
"""Repositories, blobs, manifests, tags, uploads."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

WORD = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _create_blobs()
    _create_condemned_objects()
    _create_repositories()
    _create_links()
    _create_manifests()
    _create_uploads()
    _create_manifest_references()
    _create_tags()


def _create_blobs() -> None:
    op.create_table(
        "blobs",
        sa.Column("digest", WORD, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("key", WORD, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("review_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_blobs")),
        sa.UniqueConstraint("key", name=op.f("uq_blobs_key")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_blobs_review_at",
        "blobs",
        ["review_at"],
        unique=False,
        sqlite_where=sa.text("review_at IS NOT NULL"),
        postgresql_where=sa.text("review_at IS NOT NULL"),
    )


def _create_condemned_objects() -> None:
    op.create_table(
        "condemned_objects",
        sa.Column("key", WORD, nullable=False),
        sa.Column("delete_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_condemned_objects")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_condemned_objects_delete_at"), "condemned_objects", ["delete_at"], unique=False)


def _create_repositories() -> None:
    op.create_table(
        "repositories",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("name", WORD, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_repositories")),
        sa.UniqueConstraint("name", name=op.f("uq_repositories_name")),
        sqlite_autoincrement=True,
    )


def _create_links() -> None:
    op.create_table(
        "links",
        sa.Column("repository_id", ID, nullable=False),
        sa.Column("digest", WORD, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("review_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name=op.f("fk_links_repository_id_repositories")
        ),
        sa.ForeignKeyConstraint(["digest"], ["blobs.digest"], name=op.f("fk_links_digest_blobs")),
        sa.PrimaryKeyConstraint("repository_id", "digest", name=op.f("pk_links")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_links_digest", "links", ["digest"], unique=False)
    op.create_index(
        "ix_links_review_at",
        "links",
        ["review_at"],
        unique=False,
        sqlite_where=sa.text("review_at IS NOT NULL"),
        postgresql_where=sa.text("review_at IS NOT NULL"),
    )


def _create_manifests() -> None:
    op.create_table(
        "manifests",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("repository_id", ID, nullable=False),
        sa.Column("digest", WORD, nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("artifact_type", sa.Text(), nullable=True),
        sa.Column("subject", WORD, nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("annotations", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("review_at", sa.BigInteger(), nullable=True),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name=op.f("fk_manifests_repository_id_repositories")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_manifests")),
        sa.UniqueConstraint("repository_id", "digest", name=op.f("uq_manifests_repository_id_digest")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_manifests_repository_id_subject_digest",
        "manifests",
        ["repository_id", "subject", "digest"],
        unique=False,
        sqlite_where=sa.text("subject IS NOT NULL"),
        postgresql_where=sa.text("subject IS NOT NULL"),
    )
    op.create_index(
        "ix_manifests_review_at",
        "manifests",
        ["review_at"],
        unique=False,
        sqlite_where=sa.text("review_at IS NOT NULL"),
        postgresql_where=sa.text("review_at IS NOT NULL"),
    )


def _create_uploads() -> None:
    op.create_table(
        "uploads",
        sa.Column("id", WORD, nullable=False),
        sa.Column("repository_id", ID, nullable=False),
        sa.Column("key", WORD, nullable=False),
        sa.Column("algorithm", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("hashed", sa.Text(), nullable=True),
        sa.Column("lease", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name=op.f("fk_uploads_repository_id_repositories")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_uploads")),
        sa.UniqueConstraint("key", name=op.f("uq_uploads_key")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_uploads_expires_at"), "uploads", ["expires_at"], unique=False)


def _create_manifest_references() -> None:
    op.create_table(
        "manifest_references",
        sa.Column("manifest_id", ID, nullable=False),
        sa.Column("repository_id", ID, nullable=False),
        sa.Column("digest", WORD, nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("required", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["manifest_id"],
            ["manifests.id"],
            name=op.f("fk_manifest_references_manifest_id_manifests"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("manifest_id", "digest", name=op.f("pk_manifest_references")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_manifest_references_repository_id_digest", "manifest_references", ["repository_id", "digest"], unique=False
    )


def _create_tags() -> None:
    op.create_table(
        "tags",
        sa.Column("repository_id", ID, nullable=False),
        sa.Column("name", WORD, nullable=False),
        sa.Column("digest", WORD, nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id", "digest"],
            ["manifests.repository_id", "manifests.digest"],
            name=op.f("fk_tags_repository_id_digest_manifests"),
        ),
        sa.PrimaryKeyConstraint("repository_id", "name", name=op.f("pk_tags")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_tags_repository_id_digest", "tags", ["repository_id", "digest"], unique=False)
