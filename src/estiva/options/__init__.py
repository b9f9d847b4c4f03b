# SPDX-License-Identifier: Apache-2.0
"""Each part's settings: small frozen dataclasses that import nothing heavy; `estiva.config` fills them.

Every field is `Annotated[type, kind, text]`: the kind (see `kinds`) says the unit and what is allowed, the text what
the setting does. Fields of enum, boolean and path types need no kind.
"""
