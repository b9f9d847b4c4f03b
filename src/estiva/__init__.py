# SPDX-License-Identifier: Apache-2.0
"""Estiva, a container registry: stores, versions and distributes Docker and OCI images."""

__version__ = "0.1.0"
