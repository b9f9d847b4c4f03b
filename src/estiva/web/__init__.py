# SPDX-License-Identifier: Apache-2.0
"""HTTP: requests in, answers out. A handler is parse -> guard -> one call -> render."""
