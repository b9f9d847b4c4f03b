# SPDX-License-Identifier: Apache-2.0
"""Alembic migrations; `estiva.db.migrate` runs them."""
