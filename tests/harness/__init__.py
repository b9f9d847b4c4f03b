# SPDX-License-Identifier: Apache-2.0
"""What several test folders use: registries to talk to, and content to push."""
