# SPDX-License-Identifier: Apache-2.0
"""Requests at random, to a server and to the model of it, which must say the same."""

import itertools
from collections.abc import Callable
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, precondition, rule

from harness.content import OCI_INDEX, descriptor, digest

from . import registry as model
from .wire import Answer, Wire

# One repository is enough for most things, and few contents make requests meet.
NAMES = st.sampled_from(["a", "a", "a", "a", "b/c", "library/d"])
TAGS = st.sampled_from(["v1", "v2", "latest"])
PIECES = st.integers(0, 3)
ALGORITHMS = st.sampled_from(["sha256", "sha256", "sha256", "sha512"])
RARELY = st.sampled_from([False, False, False, False, True])
ARTIFACT_TYPES = st.sampled_from([None, "application/x.sbom", "application/x.signature"])
ANNOTATIONS = st.sampled_from([{}, {"k": "v"}, {"ç": '"\n'}])

examples = itertools.count()


class RegistryMachine(RuleBasedStateMachine):
    """One example has names and contents of its own, so that one server serves them all."""

    port: ClassVar[Callable[[], int]]
    crash: ClassVar[Callable[[], None] | None] = None

    sessions = Bundle("sessions")
    manifests = Bundle("manifests")

    @initialize()
    def connect(self) -> None:
        """Begin with an empty registry."""
        self.mark = f"m{next(examples)}"
        self.model = model.Registry()
        self.wire = Wire(type(self).port())
        self.crashes = 0

    def teardown(self) -> None:
        """Compare everything at the end."""
        if hasattr(self, "wire"):
            self._compare()
            self.wire.close()

    # Names, as asked for and as stored

    def _asked(self, name: str) -> str:
        return f"library/{self.mark}-d" if name == "library/d" else f"{self.mark}/{name}"

    def _stored(self, name: str) -> str:
        return self._asked(name).removeprefix("library/")

    def _piece(self, number: int) -> bytes:
        return b"" if number == 0 else f"{self.mark}-{number};".encode() * 10 ** (number - 1)

    def _repository(self, name: str) -> model.Repository:
        return self.model.repositories.get(self._stored(name), model.Repository())

    # Uploads

    @rule(target=sessions, name=NAMES, algorithm=st.sampled_from(["", "?digest-algorithm=sha512"]))
    def begin(self, name: str, algorithm: str) -> model.Session:
        """Open a session."""
        answer = self.wire("POST", f"/v2/{self._asked(name)}/blobs/uploads/{algorithm}")
        assert (answer.status, answer.headers["Range"]) == (202, "0-0")
        self.model.pushed_to(self._stored(name))
        return model.Session(self._stored(name), answer.headers["Location"])

    @rule(session=sessions, number=PIECES, shift=st.sampled_from([None, 0, 0, -1, 1]))
    def append(self, session: model.Session, number: int, shift: int | None) -> None:
        """Send a chunk: without a range, with the right one, or with a wrong one."""
        content = self._piece(number)
        start = None if shift is None or not content else max(0, len(session.content) + shift)
        headers = {} if start is None else {"Content-Range": f"{start}-{start + len(content) - 1}"}
        answer = self.wire("PATCH", session.location, content, headers)
        assert answer.status == self.model.append(session, content, start), answer
        if answer.status in {202, 416}:
            assert (answer.headers["Range"], answer.headers["Location"]) == (session.shown, session.location)

    @rule(session=sessions)
    def status(self, session: model.Session) -> None:
        """Ask where an upload stands."""
        answer = self.wire("GET", session.location)
        assert (answer.status, answer.headers["Range"]) == (204, session.shown)

    @rule(session=consumes(sessions), number=PIECES, algorithm=ALGORITHMS, wrong=RARELY)
    def finish(self, session: model.Session, number: int, algorithm: str, *, wrong: bool) -> None:
        """Close an upload with the last chunk."""
        content = self._piece(number)
        asked = digest(session.content + content + (b"!" if wrong else b""), algorithm)
        answer = self.wire("PUT", f"{session.location}?digest={asked}", content)
        assert answer.status == self.model.finish(session, content, asked), answer
        self._is_over(session)

    @rule(session=consumes(sessions), sure=RARELY)
    def cancel(self, session: model.Session, *, sure: bool) -> None:
        """Cancel an upload, or finish it with what it has."""
        if not sure:
            self.finish(session, 0, "sha256", wrong=False)
            return
        answer = self.wire("DELETE", session.location)
        assert answer.status == self.model.cancel(session), answer
        self._is_over(session)

    def _is_over(self, session: model.Session) -> None:
        for method in ("GET", "PATCH", "DELETE"):
            assert self.wire(method, session.location).status == 404
        assert self.wire("PUT", f"{session.location}?digest={digest(session.content)}").status == 404

    @rule(session=sessions, name=NAMES)
    def ask_elsewhere(self, session: model.Session, name: str) -> None:
        """A session is one of its repository only."""
        if self._stored(name) != session.repository:
            path = f"/v2/{self._asked(name)}/blobs/uploads/{session.location.rpartition('/')[2]}"
            assert self.wire("PATCH", path, b"x").status == 404

    # Blobs

    @rule(name=NAMES, number=PIECES, algorithm=ALGORITHMS, wrong=RARELY)
    def push_blob(self, name: str, number: int, algorithm: str, *, wrong: bool) -> None:
        """Push a blob in one request."""
        content = self._piece(number)
        asked = digest(content + (b"!" if wrong else b""), algorithm)
        answer = self.wire("POST", f"/v2/{self._asked(name)}/blobs/uploads/?digest={asked}", content)
        assert answer.status == self.model.push_blob(self._stored(name), content, asked), answer

    @rule(name=NAMES, number=st.integers(1, 3), algorithm=ALGORITHMS, source=st.one_of(st.none(), NAMES))
    def mount(self, name: str, number: int, algorithm: str, source: str | None) -> None:
        """Mount a blob; the session that a miss leads to is cancelled."""
        asked = digest(self._piece(number), algorithm)
        given = "" if source is None else f"&from={self._asked(source)}"
        answer = self.wire("POST", f"/v2/{self._asked(name)}/blobs/uploads/?mount={asked}{given}")
        stored = None if source is None else self._stored(source)
        assert answer.status == self.model.mount(self._stored(name), asked, stored), answer
        if answer.status == 202:
            assert self.wire("DELETE", answer.headers["Location"]).status == 204

    @rule(name=NAMES, data=st.data())
    def delete_blob(self, name: str, data: st.DataObject) -> None:
        """Delete a blob, unless a manifest needs it."""
        repository = self._repository(name)
        asked = data.draw(st.sampled_from([*repository.blobs, *repository.manifests, digest(self._piece(1))]))
        answer = self.wire("DELETE", f"/v2/{self._asked(name)}/blobs/{asked}")
        assert answer.status == self.model.delete_blob(self._stored(name), asked), answer

    @rule(name=NAMES, number=PIECES, algorithm=ALGORITHMS, edges=st.tuples(st.integers(0, 99), st.integers(0, 200)))
    def pull_blob(self, name: str, number: int, algorithm: str, edges: tuple[int, int]) -> None:
        """Pull a blob, whole and in part."""
        asked = digest(self._piece(number), algorithm)
        self._pull_blob(name, asked, self._repository(name).served_as_blob(asked))
        content = self._repository(name).blobs.get(asked)
        start, stop = min(edges), max(edges)
        if content and start < len(content):
            headers = {"Range": f"bytes={start}-{stop}"}
            answer = self.wire("GET", f"/v2/{self._asked(name)}/blobs/{asked}", headers=headers)
            assert (answer.status, answer.body) == (206, content[start : stop + 1])

    def _pull_blob(self, name: str, asked: str, content: bytes | None) -> None:
        path = f"/v2/{self._asked(name)}/blobs/{asked}"
        head, got = self.wire("HEAD", path), self.wire("GET", path)
        assert head.status == got.status == (404 if content is None else 200), got
        if content is not None:
            assert got.body == content
            assert int(head.headers["Content-Length"]) == len(content)
            assert head.headers["Docker-Content-Digest"] == got.headers["Docker-Content-Digest"] == asked

    # Manifests

    @rule(
        target=manifests,
        numbers=st.lists(PIECES, min_size=1, max_size=3),
        artifact_type=ARTIFACT_TYPES,
        annotations=ANNOTATIONS,
    )
    def make_image(self, numbers: list[int], artifact_type: str | None, annotations: dict[str, str]) -> model.Manifest:
        """Make an image, to be pushed later."""
        config, *layers = map(self._piece, numbers)
        return model.image(config, layers, artifactType=artifact_type, annotations=annotations)

    @rule(target=manifests, subject=manifests, number=PIECES, artifact_type=ARTIFACT_TYPES, annotations=ANNOTATIONS)
    def make_referrer(
        self, subject: model.Manifest, number: int, artifact_type: str | None, annotations: dict[str, str]
    ) -> model.Manifest:
        """Make an image that refers to another manifest, which need not be there."""
        pointer = descriptor(subject.content, subject.media_type)
        return model.image(
            self._piece(number), [], artifactType=artifact_type, annotations=annotations, subject=pointer
        )

    @rule(
        target=manifests,
        children=st.lists(manifests, max_size=2),
        blob=st.one_of(st.none(), PIECES),
        subject=st.one_of(st.none(), manifests),
    )
    def make_index(
        self, children: list[model.Manifest], blob: int | None, subject: model.Manifest | None
    ) -> model.Manifest:
        """Make an index of manifests, and perhaps of a blob, as BuildKit does."""
        pointer = subject and descriptor(subject.content, subject.media_type)
        return model.index([*children, *([] if blob is None else [self._piece(blob)])], subject=pointer)

    @rule(name=NAMES, manifest=manifests, tag=TAGS, condition=st.sampled_from([None, None, None, "new", "same"]))
    def put_tag(self, name: str, manifest: model.Manifest, tag: str, condition: str | None) -> None:
        """Push by tag, on a condition perhaps."""
        current = self._repository(name).tags.get(tag)
        conditions = {"new": {"If-None-Match": "*"}, "same": {"If-Match": f'"{digest(manifest.content)}"'}}
        holds = {"new": current is None, "same": current == digest(manifest.content)}
        answer = self._put(name, tag, manifest, conditions.get(condition or "", {}))
        if condition is not None and not holds[condition]:
            self.model.pushed_to(self._stored(name))
            assert answer.status == 412, answer
            return
        expected = self.model.put(self._stored(name), manifest, digest(manifest.content), [tag])
        self._check_put(answer, expected, manifest, digest(manifest.content))

    @rule(name=NAMES, manifest=manifests, tags=st.lists(TAGS, max_size=3), algorithm=ALGORITHMS, wrong=RARELY)
    def put_digest(self, name: str, manifest: model.Manifest, tags: list[str], algorithm: str, *, wrong: bool) -> None:
        """Push by digest, with tags perhaps."""
        asked = digest(manifest.content + (b" " if wrong and tags else b""), algorithm)
        query = "&".join(f"tag={tag}" for tag in tags)
        answer = self._put(name, f"{asked}?{query}", manifest, {})
        self._check_put(answer, self.model.put(self._stored(name), manifest, asked, tags), manifest, asked)

    @rule(name=NAMES, manifest=manifests, tags=st.lists(TAGS, max_size=2), algorithm=ALGORITHMS)
    def push(self, name: str, manifest: model.Manifest, tags: list[str], algorithm: str) -> None:
        """Push everything that a manifest needs, then the manifest, as a client does."""
        for needed in manifest.parts:
            if isinstance(needed, model.Manifest):
                self.push(name, needed, [], "sha256")
            else:
                answer = self.wire("POST", f"/v2/{self._asked(name)}/blobs/uploads/?digest={digest(needed)}", needed)
                assert answer.status == self.model.push_blob(self._stored(name), needed, digest(needed)), answer
        self.put_digest(name, manifest, tags, algorithm, wrong=False)

    def _put(self, name: str, reference: str, manifest: model.Manifest, headers: dict[str, str]) -> Answer:
        path = f"/v2/{self._asked(name)}/manifests/{reference}"
        return self.wire("PUT", path, manifest.content, {"Content-Type": manifest.media_type, **headers})

    def _check_put(self, answer: Answer, expected: int, manifest: model.Manifest, asked: str) -> None:
        assert answer.status == expected, answer
        if expected == 201:
            assert answer.headers["Docker-Content-Digest"] == asked
            assert answer.headers["OCI-Subject"] == manifest.subject

    @rule(name=NAMES, data=st.data())
    def delete_manifest(self, name: str, data: st.DataObject) -> None:
        """Delete a manifest, unless another one needs it."""
        asked = data.draw(st.sampled_from([*self._repository(name).manifests, digest(self._piece(1))]))
        answer = self.wire("DELETE", f"/v2/{self._asked(name)}/manifests/{asked}")
        assert answer.status == self.model.delete_manifest(self._stored(name), asked), answer

    @rule(name=NAMES, tag=TAGS)
    def delete_tag(self, name: str, tag: str) -> None:
        """Delete a tag."""
        answer = self.wire("DELETE", f"/v2/{self._asked(name)}/manifests/{tag}")
        assert answer.status == self.model.delete_tag(self._stored(name), tag), answer

    @rule(name=NAMES, tag=TAGS)
    def pull_tag(self, name: str, tag: str) -> None:
        """Pull by tag."""
        self._pull_manifest(name, tag)

    @rule(name=NAMES, manifest=manifests, algorithm=ALGORITHMS)
    def pull_digest(self, name: str, manifest: model.Manifest, algorithm: str) -> None:
        """Pull by digest, as a manifest and as a blob."""
        asked = digest(manifest.content, algorithm)
        self._pull_manifest(name, asked)
        self._pull_blob(name, asked, self._repository(name).served_as_blob(asked))

    def _pull_manifest(self, name: str, reference: str) -> None:
        found = self._repository(name).resolve(reference)
        path = f"/v2/{self._asked(name)}/manifests/{reference}"
        head, got = self.wire("HEAD", path), self.wire("GET", path)
        assert head.status == got.status == (404 if found is None else 200), got
        if found is None:
            return
        manifest = self._repository(name).manifests[found]
        assert got.body == manifest.content
        for answer in (head, got):
            assert answer.headers["Docker-Content-Digest"] == found
            assert answer.headers["Content-Type"] == manifest.media_type
            assert int(answer.headers["Content-Length"]) == len(manifest.content)
        known = self.wire("GET", path, headers={"If-None-Match": got.headers["ETag"]})
        assert (known.status, known.body) == (304, b"")

    # Lists

    @rule(name=NAMES, size=st.one_of(st.none(), st.integers(0, 4)), last=st.one_of(st.just(""), TAGS, st.just("m")))
    def list_tags(self, name: str, size: int | None, last: str) -> None:
        """List tags, from somewhere on, in pages perhaps."""
        path = f"/v2/{self._asked(name)}/tags/list"
        query = "" if size is None else f"?n={size}&last={last}"
        if self._stored(name) not in self.model.repositories:
            assert self.wire("GET", path + query).status == 404
            return
        expected = sorted(tag for tag in self._repository(name).tags if query == "" or tag > last)
        if size == 0:
            answer = self.wire("GET", path + query)
            assert (answer.json["tags"], answer.next) == ([], None)
        else:
            assert self.wire.pages(path + query, "tags") == expected

    @rule(name=NAMES, subject=manifests, artifact_type=ARTIFACT_TYPES)
    def list_referrers(self, name: str, subject: model.Manifest, artifact_type: str | None) -> None:
        """List what refers to a manifest, whether or not that is there."""
        asked = digest(subject.content)
        query = "" if artifact_type is None else f"?artifactType={artifact_type}"
        path = f"/v2/{self._asked(name)}/referrers/{asked}{query}"
        answer = self.wire("GET", path)
        assert answer.headers["Content-Type"] == OCI_INDEX
        assert answer.headers["OCI-Filters-Applied"] == (None if artifact_type is None else "artifactType")
        expected = self._repository(name).referrers(asked, artifact_type)
        assert self.wire.pages(path, "manifests") == expected

    @rule(size=st.integers(1, 3))
    def list_catalog(self, size: int) -> None:
        """List the repositories, of which others may have made some."""
        names = self.wire.pages(f"/v2/_catalog?n={size}&last={self.mark}", "repositories") if size else []
        ours = [name for name in names if name.startswith((f"{self.mark}/", f"{self.mark}-"))]
        assert ours == self.model.catalog()

    # Crashes, and the end

    @precondition(lambda self: type(self).crash is not None and self.crashes == 0)
    @rule()
    def kill(self) -> None:
        """Kill the server, and start it again."""
        self.crashes += 1
        self.wire.close()
        assert type(self).crash is not None
        type(self).crash()
        self.wire = Wire(type(self).port())

    def _compare(self) -> None:
        for name in ("a", "b/c", "library/d"):
            repository = self._repository(name)
            for asked, content in repository.blobs.items():
                self._pull_blob(name, asked, content)
            for reference in (*repository.manifests, *repository.tags):
                self._pull_manifest(name, reference)
            self.list_tags_whole(name)
        self.list_catalog_whole()

    def list_tags_whole(self, name: str) -> None:
        """Compare a tag list that comes in one piece."""
        answer = self.wire("GET", f"/v2/{self._asked(name)}/tags/list")
        if self._stored(name) in self.model.repositories:
            assert answer.json == {"name": self._asked(name), "tags": sorted(self._repository(name).tags)}
        else:
            assert answer.status == 404

    def list_catalog_whole(self) -> None:
        """Compare the names that `docker search` finds."""
        results: list[dict[str, Any]] = self.wire("GET", f"/v1/search?q={self.mark}&n=100").json["results"]
        ours = [entry["name"] for entry in results if entry["name"].startswith((f"{self.mark}/", f"{self.mark}-"))]
        assert sorted(ours) == self.model.catalog()
