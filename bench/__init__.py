# SPDX-License-Identifier: Apache-2.0
"""Compare Estiva with other registries on this machine: `python -m bench`.

plan        what is asked for: rounds, scale, rows
contenders  who is compared, and how each is started
servers     one running contender: its processes, CPU time and memory
wire        a client's HTTP, reduced to what loads a server without costing much itself
bodies      random bytes to push, and the documents of images
clients     several client processes that start together
shelves     what is stored in a contender before it is measured
wrk, sink, fsyncs   the request generator, the ceiling of uploads, the counter of fsync calls
rows        what is measured; one class for each way of measuring: reading, streams, pushing, large, crowded, distant
relay, bulk a wire with a length; what fills Estiva's database past its API
own         rows measured by `estiva bench`
targets     what Estiva is meant to reach, and whether it did
rounds      the interleaved run
results, conditions, tables, charts   what came out, and how it is shown
"""
