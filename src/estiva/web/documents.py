# SPDX-License-Identifier: Apache-2.0
"""What the manifests on their way, in either direction, may take of memory together.

A manifest is in memory as a whole while it comes and while it goes, and a client may take its time over both. The
first FREE bytes of each are not counted: every connection may take as much. Few manifests have more.
"""

from estiva.errors import TooBusy
from estiva.telemetry.metrics import Limit, Metrics
from estiva.web.call import Call
from estiva.web.responses import Answer

FREE = 64 * 1024  # bytes


class Documents:
    """Bounds the bytes of large manifests in this process; `most` of them may be under way."""

    def __init__(self, most: int, metrics: Metrics) -> None:
        self._room = most
        self._metrics = metrics

    def take(self, call: Call, size: int) -> None:
        """Let the call hold `size` bytes in all, until it ends. Raises TooBusy."""
        more = max(0, size - FREE) - call.held
        if more <= 0:
            return
        if more > self._room:
            self._metrics.refused(Limit.MANIFESTS)
            raise TooBusy("too many large manifests are under way (limits.manifest_buffers); try again")
        self._room -= more
        call.held += more
        call.release = self._give_back

    def _give_back(self, call: Call) -> None:
        self._room += call.held
        call.held = 0

    def send(self, call: Call, answer: Answer) -> Answer:
        """Return the answer, whose body the call holds until it ends. Raises TooBusy, and TakesTime in the lane."""
        size = len(answer.body or b"")
        if size > FREE:
            call.takes_time()
            self.take(call, size)
        return answer
