"""FILEHOST: files that IRC clients upload by HTTP, with what they log in with
(https://codeberg.org/emersion/soju/src/branch/master/doc/ext/filehost.md)."""

import re
from base64 import b64encode
from urllib.parse import urlsplit

import pytest

from tests.irc.test_registration import register
from tests.web.clients import HttpClient

DATA = b"a picture"
LOGIN = {"Authorization": "Basic " + b64encode(b"carla:secret-1").decode()}
PAGE = {"Origin": "https://gamja.example.org", "Sec_Fetch_Site": "cross-site"}


@pytest.fixture
def carla(server, join_irc, connect):
    """Return an IRC client of a registered user, and the address for its files."""
    register(connect, server, "carla")
    client = join_irc(server, "carla", secret="secret-1")
    one, other = (
        re.search(rf" {token}=(\S+) ", client.seen)[1]
        for token in ("soju.im/FILEHOST", "draft/FILEHOST")
    )
    assert one == other
    return client, urlsplit(one).path


def upload(server, path, name, **headers):
    """Send a file, and return the response and the path of the file."""
    told = {"Content_Type": "image/png", "Content_Disposition": name, **headers}
    response = HttpClient(server.port).request("POST", path, DATA, **told)
    return response, urlsplit(response.headers.get("location", "")).path


def test_a_file_goes_where_its_user_is(server, join_irc, carla):
    """It is shared in the channel, or with the user, that its user came into or spoke to last; each
    has a name of its own, and the address in the answer fetches it."""
    client, path = carla
    bob = join_irc(server, "bob")
    bob.send("JOIN #lab")
    bob.until("366")
    assert upload(server, path, "", **LOGIN)[0].status == 403  # carla is nowhere yet
    client.send("JOIN #lab")
    client.until("366", "#lab")
    response, one = upload(server, path, 'attachment; filename="a photo.png"', **LOGIN)
    assert response.status == 201
    assert re.fullmatch(r"/lab/a%20photo-[0-9a-f]{8}\.png", one)
    assert bob.until("NOTICE").params[1].endswith(response.headers["location"])
    assert HttpClient(server.port).request("GET", one).body == DATA
    _, two = upload(server, path, "attachment; filename*=UTF-8''%e6%bc%a2.png", **LOGIN)
    assert two.startswith("/lab/%E6%BC%A2-")
    _, other = upload(server, path, "", **LOGIN)
    assert re.fullmatch(r"/lab/file-[0-9a-f]{8}\.png", other)
    client.send("PRIVMSG bob :for you alone")
    bob.until("PRIVMSG", "bob")
    response, _ = upload(server, path, 'filename="../x/secret.txt"', **LOGIN)
    assert response.status == 201
    told = bob.until("NOTICE", "bob")
    assert re.fullmatch(r"\* sent you secret-[0-9a-f]{8}\.txt \(9 bytes\)", told.params[1])


def test_a_file_for_one_user_has_a_link(server, join_irc, connect, carla):
    """A registered user is told of it with the address that the sender got, live and in the past.
    It fetches the file with their login alone, and with no other one."""
    client, path = carla
    register(connect, server, "bob")
    bob = join_irc(server, "bob", "draft/chathistory server-time", secret="secret-1")
    client.send("PRIVMSG bob :for you alone")
    bob.until("PRIVMSG", "bob")
    response, place = upload(server, path, "filename=secret.txt", **LOGIN)
    link = response.headers["location"]
    told = bob.until("NOTICE", "bob").params[1]
    assert re.fullmatch(r"\* sent you secret-[0-9a-f]{8}\.txt \(9 bytes\): (\S+)", told)
    assert told.endswith(link)
    bob.send("CHATHISTORY LATEST carla * 1")
    assert bob.until("NOTICE", "bob").params[1] == told
    login = {"Authorization": "Basic " + b64encode(b"bob:secret-1").decode()}
    web = HttpClient(server.port)
    assert web.request("GET", place, **login).body == DATA
    assert web.request("GET", place, **LOGIN).status == 404
    unknown = HttpClient(server.port).request("GET", place)
    assert unknown.status == 401
    assert "www-authenticate" in unknown.headers


def test_nobody_else_uploads(server, carla):
    """Without a name and a password nothing is taken, and what is no upload is told so."""
    client, path = carla
    client.send("JOIN #lab")
    client.until("366", "#lab")
    for headers in ({}, {"Authorization": "Basic " + b64encode(b"carla:wrong").decode()}):
        assert upload(server, path, "filename=x", **headers)[0].status == 401
    options = HttpClient(server.port).request("OPTIONS", path)
    assert (options.status, options.headers["allow"]) == (204, "POST, OPTIONS")
    assert options.headers["accept-post"] == "*/*"
    assert HttpClient(server.port).request("GET", path).status == 405
    assert client.settled() == []


def test_pages_of_other_servers_upload(server, carla):
    """A client in a browser may be a page from elsewhere: it is told that it may send a file with a
    login of its own, and may read the address. Without that, no page may, nor anything else here
    (https://fetch.spec.whatwg.org/#http-cors-protocol)."""
    client, path = carla
    client.send("JOIN #lab")
    client.until("366", "#lab")
    asked = {"Access_Control_Request_Headers": "authorization,content-disposition"}
    answer = HttpClient(server.port).request("OPTIONS", path, **PAGE, **asked)
    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == PAGE["Origin"]
    assert "Authorization" in answer.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in answer.headers
    response, _ = upload(server, path, "filename=x.png", **PAGE, **LOGIN)
    assert response.status == 201
    assert response.headers["access-control-allow-origin"] == PAGE["Origin"]
    assert response.headers["access-control-expose-headers"] == "Location"
    for headers in (PAGE, {**PAGE, "Access_Control_Request_Headers": "content-disposition"}):
        assert HttpClient(server.port).request("OPTIONS", path, **headers).status == 403
    assert upload(server, path, "", **PAGE, **LOGIN)[0].status == 403
    assert upload(server, path, "filename=x.png", **PAGE)[0].status == 403
    assert upload(server, "/lab", "filename=x.png", **PAGE, **LOGIN)[0].status == 403
