# SPDX-License-Identifier: Apache-2.0
"""Settling and condemning against a model that looks at everything each time."""

import itertools
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import create_engine, event

from db.rows import digest, make_repository, new_manifest, to
from estiva.db import blobs, links, manifests, references, reviews, schema, tags
from estiva.db.blobs import Blob
from estiva.db.condemn import condemn_blob, condemn_link, condemn_manifest

TERM = 10
BLOBS = [digest(f"b{number}") for number in range(2)]
MANIFESTS = [digest(f"m{number}") for number in range(3)]
TAGS = ["x", "y"]
REPOSITORIES = [1, 2]

repositories = st.sampled_from([1, 1, 1, 2])  # one is enough for most things
numbers = st.sampled_from([2, 1, 0])
tagging = st.sampled_from([None, None, None, *TAGS])
ages = st.sampled_from([TERM, 1])


@dataclass
class Shelf:
    """What one repository holds: blobs and manifests with their reviews, and tags."""

    links: dict = field(default_factory=dict)
    manifests: dict = field(default_factory=dict)
    tags: dict = field(default_factory=dict)

    def needed(self):
        return {child for made in self.manifests.values() for child in made["needs"]}

    def is_referenced(self, wanted):
        made = self.manifests[wanted]
        return wanted in {*self.tags.values(), *self.needed()} or made["subject"] in self.manifests

    def reviewed(self):
        return sorted(wanted for wanted, made in self.manifests.items() if made["review"])

    def settle(self, at):
        """Look at everything; a review that stands keeps its time."""
        for wanted, review in self.links.items():
            self.links[wanted] = None if wanted in self.needed() else review or at
        for wanted, made in self.manifests.items():
            made["review"] = None if self.is_referenced(wanted) else made["review"] or at


class Registry(RuleBasedStateMachine):
    """What pushes, deletions and condemnations make of two repositories.

    A manifest refers only to those before it, as digests force it to: there are no circles.
    """

    def __init__(self):
        super().__init__()
        self.now = 1000
        self.shelves = {number: Shelf() for number in REPOSITORIES}
        self.blobs = {}
        self.keys = itertools.count()
        self.engine = create_engine("sqlite://")
        event.listen(self.engine, "connect", lambda connection, _: connection.execute("PRAGMA foreign_keys = ON"))
        self.conn = self.engine.connect()
        schema.metadata.create_all(self.conn)
        for number in REPOSITORIES:
            assert make_repository(self.conn, f"r{number}") == number

    def teardown(self):
        self.conn.close()
        self.engine.dispose()

    @property
    def at(self):
        return self.now + TERM

    def settle(self):
        for shelf in self.shelves.values():
            shelf.settle(self.at)
        for wanted, review in self.blobs.items():
            shown = any(wanted in shelf.links for shelf in self.shelves.values())
            self.blobs[wanted] = None if shown else review or self.at

    @rule(r=repositories, wanted=st.sampled_from(BLOBS))
    def a_blob_arrives(self, r, wanted):
        blobs.insert(self.conn, Blob(digest=wanted, size=1, key=f"{next(self.keys)}", created_at=1, review_at=None))
        links.insert(self.conn, r, wanted, self.now)
        reviews.settle(self.conn, r, [wanted], self.at)
        reviews.settle_blob(self.conn, wanted, self.at)
        self.shelves[r].links.setdefault(wanted, None)
        self.blobs.setdefault(wanted, None)
        self.settle()

    @rule(
        r=repositories,
        number=st.integers(0, len(MANIFESTS) - 1),
        tag=st.sampled_from([None, None, *TAGS]),
        data=st.data(),
    )
    def a_manifest_is_pushed(self, r, number, tag, data):
        shelf, wanted = self.shelves[r], MANIFESTS[number]
        here = [one for one in MANIFESTS[:number] if one in shelf.manifests]
        made = shelf.manifests.get(wanted) or {
            "needs": data.draw(st.sets(st.sampled_from([*BLOBS, *MANIFESTS[:number]]), max_size=3)),
            "subject": data.draw(st.sampled_from([*here, *here, *MANIFESTS[:number], None])),
            "review": None,
        }
        manifest_id = manifests.insert(self.conn, new_manifest(r, wanted, subject=made["subject"]))
        assert (manifest_id is None) == (wanted in shelf.manifests)
        references.insert(self.conn, manifest_id, r, to(*made["needs"]) if manifest_id else [])
        tagged = {tag: wanted} if tag else {}
        before = [shelf.tags[name] for name in tagged if name in shelf.tags]
        for name in tagged:
            tags.put(self.conn, r, name, wanted, self.now)
        reviews.settle(self.conn, r, {wanted, *made["needs"], *before}, self.at)
        reviews.settle_referrers(self.conn, r, wanted, self.at)
        shelf.manifests[wanted] = made
        shelf.tags |= tagged
        self.settle()

    @rule(r=repositories, tag=st.sampled_from(TAGS))
    def a_tag_is_deleted(self, r, tag):
        shelf = self.shelves[r]
        assert tags.delete(self.conn, r, tag) == (tag in shelf.tags)
        reviews.settle(self.conn, r, [shelf.tags.pop(tag, BLOBS[0])], self.at)
        self.settle()

    @precondition(lambda self: any(shelf.manifests for shelf in self.shelves.values()))
    @rule(r=repositories, data=st.data())
    def a_manifest_is_deleted(self, r, data):
        shelf = self.shelves[r]
        for wanted in data.draw(st.sets(st.sampled_from(sorted(shelf.manifests) or MANIFESTS), max_size=1)):
            gone = shelf.manifests.pop(wanted, {"needs": []})
            tags.delete_of_manifest(self.conn, r, wanted)
            shelf.tags = {name: on for name, on in shelf.tags.items() if on != wanted}
            manifests.delete(self.conn, manifests.get_id(self.conn, r, wanted) or 0)
            reviews.settle(self.conn, r, gone["needs"], self.at)
            reviews.settle_referrers(self.conn, r, wanted, self.at)
        self.settle()

    @rule(r=repositories, wanted=st.sampled_from(BLOBS), age=ages)
    def a_link_is_condemned(self, r, wanted, age):
        self.now += age
        review = self.shelves[r].links.get(wanted)
        due = review is not None and review <= self.now
        assert condemn_link(self.conn, r, wanted, self.now, self.at) == due
        self.shelves[r].links = {one: at for one, at in self.shelves[r].links.items() if not (due and one == wanted)}
        self.settle()

    @precondition(lambda self: any(shelf.reviewed() for shelf in self.shelves.values()))
    @rule(r=repositories, age=ages, data=st.data())
    def a_manifest_is_condemned(self, r, age, data):
        self.now += age
        shelf = self.shelves[r]
        # Mostly one that may go: of those that may not, there are enough.
        wanted = data.draw(st.sampled_from([*shelf.reviewed(), *shelf.reviewed(), *MANIFESTS[:1]]))
        review = shelf.manifests.get(wanted, {"review": None})["review"]
        due = review is not None and review <= self.now
        assert condemn_manifest(self.conn, r, wanted, self.now, self.at) == due
        shelf.manifests = {one: made for one, made in shelf.manifests.items() if not (due and one == wanted)}
        self.settle()

    @rule(wanted=st.sampled_from(BLOBS), age=ages)
    def a_blob_is_condemned(self, wanted, age):
        self.now += age
        review = self.blobs.get(wanted)
        due = review is not None and review <= self.now
        assert condemn_blob(self.conn, wanted, self.now, self.at) == due
        self.blobs = {one: at for one, at in self.blobs.items() if not (due and one == wanted)}

    @invariant()
    def the_database_says_what_the_model_says(self):
        for r, shelf in self.shelves.items():
            assert self.reviews_in(schema.links, r) == shelf.links
            expected = {wanted: made["review"] for wanted, made in shelf.manifests.items()}
            assert self.reviews_in(schema.manifests, r) == expected
        found = self.conn.execute(schema.blobs.select())
        assert {row.digest: row.review_at for row in found} == self.blobs

    def reviews_in(self, table, r):
        rows = self.conn.execute(table.select().where(table.c.repository_id == r))
        return {row.digest: row.review_at for row in rows}


TestRegistry = Registry.TestCase
TestRegistry.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
