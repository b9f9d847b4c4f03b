# SPDX-License-Identifier: Apache-2.0
"""A refusal is heard, with the registry's words, however the registry hangs up; and silence is not waited out."""

import asyncio
import gc
import socket
import threading
from contextlib import contextmanager

import pytest
import uvloop

from estiva.client.address import Address
from estiva.client.content import Blobs
from estiva.client.registry import Refused, Registry, expect
from estiva.client.wire import PATIENCE_S, WireError

from .fake import handling

BODY = b'{"errors": [{"code": "TOOMANYREQUESTS", "message": "too\\u001b many"}]}'
CLOSING = b"HTTP/1.1 503 x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
ENDLESS = b"HTTP/1.1 503 x\r\n\r\n" + BODY
LOOPS = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])


@contextmanager
def hanging_up(answer, reads):
    """A server that reads so many bytes, or once, answers, closes, and nothing else; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536) if reads is None else connection.recv(reads, socket.MSG_WAITALL)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def client(port, patience=PATIENCE_S):
    return Registry(Address.parse(f"http://127.0.0.1:{port}"), "a/b", patience=patience)


@LOOPS
@pytest.mark.parametrize("reads", [0, 10, 100_000], ids=["at the door", "in the head", "in the body"])
@pytest.mark.parametrize("answer", [CLOSING, ENDLESS, 2 * CLOSING], ids=["closing", "endless", "twice"])
def test_a_refusal_is_heard_whenever_it_comes(loop, reads, answer):
    blob = Blobs(8 << 20).blob("a")

    async def refused(port):
        async with client(port) as registry:
            head = "Transfer-Encoding: chunked\r\n"
            with pytest.raises(Refused, match=r"^a PATCH was answered with 503 TOOMANYREQUESTS too many$"):
                expect(await registry.request("PATCH", "/x", head, blob.parts), "a PATCH", 202)

    with hanging_up(answer, reads) as port, asyncio.Runner(loop_factory=loop) as runner:
        for _ in range(5):
            runner.run(refused(port))


@LOOPS
def test_a_body_that_ends_with_its_connection_is_counted(loop):
    async def count(port):
        async with client(port) as registry:
            return await registry.download("/x")

    answer = b"HTTP/1.1 200 OK\r\n\r\n" + 500_000 * b"x"
    with hanging_up(answer, None) as port, asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(count(port)) == 500_000


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (b"", r"no answer began within 0\.2 seconds"),
        (b"HTTP/1.1 200 OK\r\n", r"no answer began within 0\.2 seconds"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", r"an answer did not go on within 0\.2 seconds"),
    ],
    ids=["nothing", "a part of a head", "a part of a body"],
)
async def test_a_server_that_falls_silent_is_given_up(sent, message):
    async def serve(reader, writer):
        writer.write(sent)
        await reader.read()

    async with handling(serve) as port, client(port, 0.2) as registry:
        with pytest.raises(WireError, match=message):
            await registry.request("PATCH", "/x")


async def test_a_server_that_does_not_read_a_body_is_given_up():
    async def serve(reader, writer):
        writer.transport.pause_reading()
        await over.wait()
        writer.transport.abort()

    over = asyncio.Event()
    async with handling(serve) as port, client(port, 0.2) as registry:
        with pytest.raises(WireError, match=r"no answer began within 0\.2 seconds"):
            await registry.request("PATCH", "/x", "Transfer-Encoding: chunked\r\n", Blobs(64 << 20).blob("a").parts)
        over.set()


async def test_a_slow_body_is_waited_for_as_long_as_it_goes_on():
    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n")
        for _ in range(20):
            await asyncio.sleep(0.04)
            writer.write(1000 * b"x")

    async with handling(serve) as port, client(port, 0.4) as registry:
        assert await registry.download("/x") == 20_000


async def test_nobody_is_told_of_an_answer_that_nobody_waits_for_any_more():
    told = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await reader.read()

    asked = asyncio.Event()
    async with handling(serve) as port, client(port) as registry:
        asking = asyncio.ensure_future(registry.request("GET", "/x"))
        await asked.wait()
        asking.cancel()
        await asyncio.wait([asking])
    del asking
    gc.collect()
    assert told == []
