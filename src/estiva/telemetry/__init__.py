# SPDX-License-Identifier: Apache-2.0
"""What the server tells about itself: logs, access lines, metrics, request ids."""
