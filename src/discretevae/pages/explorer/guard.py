"""Who may ask the explorer, and how much a browser may send: this machine's own pages alone."""

import os
import re
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

__all__ = ["MOST", "Guard", "private_folder"]

MOST = 2**24
"""Bytes of one request: an image, a code."""
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
PORT = re.compile(r":[0-9]{1,5}\Z")
VARIABLE = "GRADIO_TEMP_DIR"
"""Where gradio puts what is uploaded."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


class _TooLargeError(Exception):
    """Raised while a request without a length is read."""


class Guard:
    """Passes on what this machine's own page asks, and refuses the rest with a sentence.

    A page of the web that makes its name point here (DNS rebinding) has its own name as Host; one
    that sends a form here has its own address as Origin. Both are refused, before anything is read.

    Arguments:
        app: What is guarded, by the ASGI protocol.
        host: The name that the server is told to serve under, beside those of this machine.
        most: Bytes of one request.

    Example:
        >>> Guard(lambda *_: None).allows(b"localhost:7860", None)
        True
        >>> Guard(lambda *_: None).allows(b"rebound.example:7860", None)
        False
        >>> Guard(lambda *_: None).allows(b"localhost:7860", b"https://page.example")
        False
    """

    def __init__(self, app: App, host: str = "127.0.0.1", most: int = MOST) -> None:
        self.app, self.most = app, most
        self.names = {*LOOPBACK, host}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answers by the protocol."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        if not self.allows(headers.get(b"host"), headers.get(b"origin")):
            await _refuse(send, 403, "only pages of this machine may ask")
        elif self._length(headers) > self.most:
            await _refuse(send, 413, f"a request must have at most {self.most:,} bytes")
        else:
            await self._counted(scope, receive, send)

    def allows(self, host: bytes | None, origin: bytes | None) -> bool:
        """Tells whether a request is for this machine's name, and from its page or from none."""
        place = (host or b"").decode("latin-1").lower()
        name = PORT.sub("", place)
        return name in self.names and origin in (None, b"http://" + place.encode())

    def _length(self, headers: dict[bytes, bytes]) -> int:
        length = headers.get(b"content-length", b"0")
        return int(length) if length.isdigit() and len(length) < 20 else self.most + 1

    async def _counted(self, scope: Message, receive: Receive, send: Send) -> None:
        """Passes a request on as long as it does not grow beyond what is allowed."""
        read, answered = 0, False

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self.most:
                raise _TooLargeError
            return message

        async def sent(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        try:
            await self.app(scope, counted, sent)
        except _TooLargeError:
            if not answered:
                await _refuse(send, 413, f"a request must have at most {self.most:,} bytes")


async def _refuse(send: Send, status: int, why: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": f"{why}\n".encode()})


@contextmanager
def private_folder() -> Iterator[str]:
    """Has what is uploaded put into a folder that only this user can open, and that ends here.

    Example:
        >>> with private_folder() as folder:
        ...     oct(os.stat(folder).st_mode & 0o777), os.environ[VARIABLE] == folder
        ('0o700', True)
        >>> os.path.exists(folder)
        False
    """
    before = os.environ.get(VARIABLE)
    folder = tempfile.mkdtemp(prefix="discretevae-")
    os.environ[VARIABLE] = folder
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before
