# SPDX-License-Identifier: Apache-2.0
"""`/`: a word for whoever opens the address in a browser."""

from estiva.web import responses
from estiva.web.call import Call
from estiva.web.responses import Answer

TEXT = b"""Estiva, a container registry.

The registry's API is under /v2/. To push an image:

    docker tag IMAGE HOST:PORT/IMAGE
    docker push HOST:PORT/IMAGE

Probes: /healthz, /readyz. Metrics: /metrics.
"""


async def welcome(call: Call) -> Answer:  # noqa: ARG001 - the shape of every page
    """Answer with a few lines of text."""
    return responses.body(TEXT, "text/plain; charset=utf-8")
