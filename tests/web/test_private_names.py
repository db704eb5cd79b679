"""Names of Twisted that are not public, and that `chatservice/protocols/web/` uses: if a new
release has others, this fails first, and says where to look."""

import inspect

import pytest
from twisted.internet.testing import StringTransport
from twisted.web import http

from chatservice.protocols.web import channel

WHERE = "chatservice/protocols/web/channel.py uses it; see what Twisted has in its place: "

METHODS = {
    "_respondToBadRequestAndDisconnect": [],
    "allContentReceived": [],
    "allHeadersReceived": [],
    "checkPersistence": ["request", "version"],
    "headerReceived": ["line"],
    "lineLengthExceeded": ["line"],
    "lineReceived": ["line"],
    "rawDataReceived": ["data"],
    "requestDone": ["request"],
}
"""Methods of `HTTPChannel` that are called or replaced, and their arguments."""

ATTRIBUTES = {
    "_HTTPChannel__first_line": int,
    "_buffer": bytes,
    "_busyReceiving": bool,
    "_dataBuffer": list,
    "_handlingRequest": bool,
    "_networkProducer": object,
    "_optimisticEagerReadSize": int,
    "_receivedHeaderSize": int,
    "_transferDecoder": object,
    "_waitingForTransport": bool,
    "length": int,
    "line_mode": int,
    "persistent": int,
    "requests": list,
    "totalHeadersSize": int,
}
"""Attributes of a channel that waits for a request."""

DURING_BODY = {"_command": b"POST", "_path": b"/lab", "_version": b"HTTP/1.1", "length": 5}
"""Attributes while a body comes, and their values."""


class _Request(http.Request):
    """A request that keeps the pieces of its body."""

    def handleContentChunk(self, data):
        """Take bytes."""
        self.__dict__.setdefault("pieces", []).append(data)


@pytest.fixture
def waiting():
    """Return a channel of Twisted's own, which waits for a request."""
    it = http.HTTPChannel()
    it.requestFactory, it.timeOut = _Request, None
    it.makeConnection(StringTransport())
    return it


@pytest.mark.parametrize("name", METHODS)
def test_methods(name):
    """They exist, with the same arguments."""
    method = getattr(http.HTTPChannel, name, None)
    assert method is not None, WHERE + name
    assert [*inspect.signature(method).parameters][1:] == METHODS[name], WHERE + name


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_attributes(waiting, name):
    """They exist, and have the same kind of values."""
    assert isinstance(getattr(waiting, name, None), ATTRIBUTES[name]), WHERE + name


def test_the_head_of_a_request(waiting):
    """Its parts are where the channel looks for them, and the body comes piece by piece."""
    waiting.dataReceived(b"POST /lab HTTP/1.1\r\nContent-Length: 5\r\n\r\nab")
    for name, value in DURING_BODY.items():
        assert getattr(waiting, name, None) == value, WHERE + name
    assert waiting.requests[-1].pieces == [b"ab"], WHERE + "handleContentChunk"
    assert not waiting._HTTPChannel__first_line, WHERE + "_HTTPChannel__first_line"


def test_the_trailers_of_a_body(waiting):
    """They are kept in one list, in which the channel keeps none."""
    waiting.dataReceived(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n")
    kept = getattr(waiting._transferDecoder, "_trailerHeaders", None)
    assert kept == [b"X: y"], WHERE + "_trailerHeaders"


def test_everything_private_is_pinned():
    """No other name that begins with an underscore is taken from Twisted."""
    source = inspect.getsource(channel)
    theirs = {name for name in dir(http.HTTPChannel) if name[:1] == "_" and name[:2] != "__"}
    theirs |= {name for name in vars(http.HTTPChannel()) if name[:1] == "_"}
    own = {name for name in vars(channel.WebChannel) if name not in vars(http.HTTPChannel)}
    used = {name for name in theirs - own if f"self.{name}" in source}
    assert used <= {*METHODS, *ATTRIBUTES, *DURING_BODY}
