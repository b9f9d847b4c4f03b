# SPDX-License-Identifier: Apache-2.0
"""The words of the OCI specifications: parsed, rendered, and nothing else. No I/O, no clock, no framework."""
