# SPDX-License-Identifier: Apache-2.0
"""Proxies in front of the server."""

from dataclasses import dataclass
from typing import Annotated

from estiva.options.kinds import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyOptions:
    """The settings of the table `proxy`."""

    trusted: Annotated[
        tuple[str, ...],
        Kind.NETWORKS,
        "CIDR blocks of the proxies whose `Forwarded` and `X-Forwarded-*` headers are believed.",
    ] = ()
