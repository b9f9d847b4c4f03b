# SPDX-License-Identifier: Apache-2.0
"""The caller's side of a registry: a load generator for registries of any make.

address            where a registry is
wire, chunks       HTTP/1.1 with as little work as a fast client needs
access             what a registry wants to know about its caller: Basic, Bearer
registry           pushes, downloads and deletions, over one connection
content            random blobs and the documents of images
tally, load, crew  what was measured; one process that loads; all of them together
subject, removal   what is read; what was pushed, removed again
trial              the whole run
display, table     how far it is, and what came out, for people
"""
