# SPDX-License-Identifier: Apache-2.0
"""Repository state in SQL: one file per noun, one statement per function.

A function takes a connection inside a transaction that its caller opened; `engine` alone decides how that runs.
"""
