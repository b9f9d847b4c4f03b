# SPDX-License-Identifier: Apache-2.0
"""The settings tree: what every part declares about itself, put together."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from estiva.options.content import ContentOptions
from estiva.options.limits import LimitOptions
from estiva.options.log import LogOptions
from estiva.options.proxy import ProxyOptions
from estiva.options.server import ServerOptions
from estiva.options.storage import StorageOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting of one server.

    `sources` tells where values came from, by key ("storage.min_free"); a key that it lacks has its default.
    """

    server: ServerOptions = field(default_factory=ServerOptions)
    limits: LimitOptions = field(default_factory=LimitOptions)
    storage: StorageOptions = field(default_factory=StorageOptions)
    content: ContentOptions = field(default_factory=ContentOptions)
    proxy: ProxyOptions = field(default_factory=ProxyOptions)
    log: LogOptions = field(default_factory=LogOptions)
    sources: Mapping[str, str] = field(default_factory=dict, compare=False)
