# SPDX-License-Identifier: Apache-2.0
"""What is stored: repositories, uploads, blobs, manifests, tags, referrers. Transactions open here.

A service acts on the repository *id* that the guard resolved, never on a name again: a repository that was deleted
and created anew in between is another one.
"""
