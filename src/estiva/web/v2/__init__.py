# SPDX-License-Identifier: Apache-2.0
"""The OCI distribution API: one file per endpoint, and the table that leads to them."""

from estiva.web.v2.table import V2, build_table

__all__ = ["V2", "build_table"]
