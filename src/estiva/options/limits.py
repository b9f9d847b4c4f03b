# SPDX-License-Identifier: Apache-2.0
"""What one request, one connection and one page may take."""

from dataclasses import dataclass
from typing import Annotated

from estiva.options.kinds import KIB, MIB, Count, Duration, Size


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitOptions:
    """The settings of the table `limits`."""

    manifest_bytes: Annotated[
        int, Size(minimum=4 * MIB), "Largest manifest that is taken. The specification asks for 4 MiB at least."
    ] = 4 * MIB
    tags_per_push: Annotated[
        int, Count(10), "Most `tag` parameters that one push may carry. The specification asks for 10 at least."
    ] = 100
    head_bytes: Annotated[
        int, Size(minimum=8 * KIB), "Longest request line, and longest single header, that is read."
    ] = 64 * KIB
    head_total: Annotated[
        int, Size(minimum=16 * KIB), "Longest head in all: the request line and every header together."
    ] = 256 * KIB
    head_timeout: Annotated[
        float, Duration(), "How long the head of a request may take to come, and a new connection to send a first one."
    ] = 30.0
    connections: Annotated[
        int, Count(1), "Most client connections of one worker. Those beyond are answered 503, or closed."
    ] = 10_000
    keepalive: Annotated[float, Duration(), "How long a connection is kept open between two requests."] = 75.0
    stall_timeout: Annotated[
        float, Duration(), "How long a transfer, in either direction, may stand still before it is cut."
    ] = 60.0
    uploads: Annotated[
        int, Count(1), "Most uploads whose bytes may arrive at once at one worker. Those beyond are answered 503."
    ] = 1000
    upload_buffers: Annotated[
        int,
        Size(minimum=2 * MIB),
        "Memory of one worker for the bytes of all fast uploads together; beside it each upload holds 64 KiB at most.",
    ] = 64 * MIB
    manifest_buffers: Annotated[
        int,
        Size(minimum=4 * MIB),
        "Memory of one worker for manifests that come or go, beyond 64 KiB of each. Those beyond are answered 503.",
    ] = 64 * MIB
    direct_uploads: Annotated[
        bool, "Whether uploads take a shorter way from the network to the disk. Answers are the same."
    ] = True
    writes: Annotated[
        int, Count(1), "Most changes of one worker that may wait for the database. Those beyond are answered 503."
    ] = 10_000
    drain_timeout: Annotated[
        float, Duration(zero=True), "How long requests under way may go on after the server was told to stop."
    ] = 30.0
    lane: Annotated[
        bool, "Whether plain pulls take a shorter way through the server. Answers are the same; on SQLite only."
    ] = True
    page: Annotated[int, Count(1), "Entries on a page of the catalog when the client names no number."] = 1000
    page_maximum: Annotated[int, Count(1), "Most entries on any page; a client that asks for more gets these."] = 10_000
    referrers_page: Annotated[int, Count(1), "Entries on a page of referrers."] = 1000
