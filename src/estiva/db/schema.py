# SPDX-License-Identifier: Apache-2.0
"""The tables. Times are integer milliseconds since the epoch (UTC).

Only integers, text and bytes: statements of the pull path run on the driver, past SQLAlchemy's conversions.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

# Names of constraints are part of the schema: migrations must be able to name them.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Ordered by bytes on every database, as the spec orders tags ("ASCIIbetical").
_Word = Text().with_variant(Text(collation="C"), "postgresql")
# SQLite counts only a column of exactly this type as its row id.
_Id = BigInteger().with_variant(Integer, "sqlite")
_Time = BigInteger()

repositories = Table(
    "repositories",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("name", _Word, nullable=False, unique=True),
    Column("created_at", _Time, nullable=False),
    sqlite_autoincrement=True,  # an id is never given twice: whoever holds an old one must not reach a new repository
)

blobs = Table(
    "blobs",
    metadata,
    Column("digest", _Word, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("key", _Word, nullable=False, unique=True),
    Column("created_at", _Time, nullable=False),
    Column("review_at", _Time),
    sqlite_with_rowid=False,
)

links = Table(
    "links",
    metadata,
    Column("repository_id", ForeignKey("repositories.id"), nullable=False),
    Column("digest", ForeignKey("blobs.digest"), nullable=False),
    Column("created_at", _Time, nullable=False),
    Column("review_at", _Time),
    PrimaryKeyConstraint("repository_id", "digest"),
    Index("ix_links_digest", "digest"),
    sqlite_with_rowid=False,
)

manifests = Table(
    "manifests",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("repository_id", ForeignKey("repositories.id"), nullable=False),
    Column("digest", _Word, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("artifact_type", Text),
    Column("subject", _Word),
    Column("size", BigInteger, nullable=False),
    Column("annotations", Text, nullable=False),
    Column("created_at", _Time, nullable=False),
    Column("review_at", _Time),
    Column("content", LargeBinary, nullable=False),  # last: SQLite need not read it to find what stands before it
    UniqueConstraint("repository_id", "digest"),
    sqlite_autoincrement=True,
)
# Few have a subject; the digest orders the pages of a list of referrers.
Index(
    "ix_manifests_repository_id_subject_digest",
    manifests.c.repository_id,
    manifests.c.subject,
    manifests.c.digest,
    sqlite_where=manifests.c.subject.is_not(None),
    postgresql_where=manifests.c.subject.is_not(None),
)

manifest_references = Table(
    "manifest_references",
    metadata,
    Column("manifest_id", ForeignKey("manifests.id", ondelete="CASCADE"), nullable=False),
    Column("repository_id", _Id, nullable=False),  # that of the manifest
    Column("digest", _Word, nullable=False),
    Column("role", Text, nullable=False),
    Column("required", Integer, nullable=False),  # 0 or 1
    PrimaryKeyConstraint("manifest_id", "digest"),
    Index("ix_manifest_references_repository_id_digest", "repository_id", "digest"),
    sqlite_with_rowid=False,
)

tags = Table(
    "tags",
    metadata,
    Column("repository_id", _Id, nullable=False),
    Column("name", _Word, nullable=False),
    Column("digest", _Word, nullable=False),
    Column("updated_at", _Time, nullable=False),
    PrimaryKeyConstraint("repository_id", "name"),
    ForeignKeyConstraint(["repository_id", "digest"], ["manifests.repository_id", "manifests.digest"]),
    Index("ix_tags_repository_id_digest", "repository_id", "digest"),
    sqlite_with_rowid=False,
)

uploads = Table(
    "uploads",
    metadata,
    Column("id", _Word, primary_key=True),
    Column("repository_id", ForeignKey("repositories.id"), nullable=False),
    Column("key", _Word, nullable=False, unique=True),
    Column("algorithm", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("hashed", Text),
    Column("lease", Text),
    Column("lease_until", _Time),
    Column("started_at", _Time, nullable=False),
    Column("expires_at", _Time, nullable=False, index=True),
    sqlite_with_rowid=False,
)

condemned_objects = Table(
    "condemned_objects",
    metadata,
    Column("key", _Word, primary_key=True),
    Column("delete_at", _Time, nullable=False, index=True),
    sqlite_with_rowid=False,
)

facts = Table(
    "facts",
    metadata,
    Column("name", _Word, primary_key=True),
    Column("value", Text, nullable=False),
    sqlite_with_rowid=False,
)

# What was pulled, and when last (0: never); a row goes with what it is about.
repository_statistics = Table(
    "repository_statistics",
    metadata,
    Column("repository_id", ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("pulls", BigInteger, nullable=False),
    Column("bytes_sent", BigInteger, nullable=False),
    Column("last_pulled_at", _Time, nullable=False),
    sqlite_with_rowid=False,
)

manifest_statistics = Table(
    "manifest_statistics",
    metadata,
    Column("repository_id", _Id, nullable=False),
    Column("digest", _Word, nullable=False),
    Column("pulls", BigInteger, nullable=False),
    Column("last_pulled_at", _Time, nullable=False),
    PrimaryKeyConstraint("repository_id", "digest"),
    ForeignKeyConstraint(
        ["repository_id", "digest"], ["manifests.repository_id", "manifests.digest"], ondelete="CASCADE"
    ),
    sqlite_with_rowid=False,
)

tag_statistics = Table(
    "tag_statistics",
    metadata,
    Column("repository_id", _Id, nullable=False),
    Column("name", _Word, nullable=False),
    Column("pulls", BigInteger, nullable=False),
    Column("last_pulled_at", _Time, nullable=False),
    PrimaryKeyConstraint("repository_id", "name"),
    ForeignKeyConstraint(["repository_id", "name"], ["tags.repository_id", "tags.name"], ondelete="CASCADE"),
    sqlite_with_rowid=False,
)

for _table in (blobs, links, manifests):
    # Small: what is referenced carries no time of review.
    Index(
        f"ix_{_table.name}_review_at",
        _table.c.review_at,
        sqlite_where=_table.c.review_at.is_not(None),
        postgresql_where=_table.c.review_at.is_not(None),
    )
