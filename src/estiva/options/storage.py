# SPDX-License-Identifier: Apache-2.0
"""How bytes are kept, and when they go."""

from dataclasses import dataclass
from typing import Annotated

from estiva.options.kinds import DAY, HOUR, MIB, MINUTE, Duration, Size


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageOptions:
    """The settings of the table `storage`."""

    min_free: Annotated[
        int,
        Size(),
        "Room that is left free on the disk: below it nothing new is taken, while pulling and deleting work.",
    ] = 64 * MIB
    upload_expiry: Annotated[
        float,
        Duration(),
        "How long an unfinished upload may lie idle before it is dropped.",
    ] = DAY
    review_after: Annotated[
        float,
        Duration(),
        "How long content that nothing refers to is kept at least. Must be longer than the longest push takes.",
    ] = DAY
    object_delay: Annotated[
        float,
        Duration(zero=True),
        "How long bytes stay on the disk after the last row that names them. Must be longer than the longest download.",
    ] = HOUR
    sweep_every: Annotated[
        float, Duration(), "How often the server looks for content and uploads whose time is up."
    ] = MINUTE
