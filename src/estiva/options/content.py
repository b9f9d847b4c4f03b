# SPDX-License-Identifier: Apache-2.0
"""What may be pushed and deleted."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated


class Missing(StrEnum):
    """What happens to a manifest that refers to content which its repository lacks."""

    REFUSE = "refuse"
    ACCEPT = "accept"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentOptions:
    """The settings of the table `content`."""

    delete: Annotated[bool, "Whether tags, manifests and blobs can be deleted."] = True
    missing_blobs: Annotated[
        Missing, "Whether a manifest may refer to blobs (layers, configuration) that its repository lacks."
    ] = Missing.REFUSE
    missing_manifests: Annotated[
        Missing, "Whether an index may refer to manifests that its repository lacks (a sparse index)."
    ] = Missing.REFUSE
