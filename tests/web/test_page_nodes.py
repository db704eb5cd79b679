"""The page of a cluster: one name with the addresses of two nodes, of which one dies."""

import pytest

from tests.cluster.conftest import nats_server  # noqa: F401 - a fixture
from tests.cluster.natsservers import free_ports
from tests.servers import PATIENCE, RawClient, Server
from tests.web.people import Person

QUIETLY = {"greeting_seconds": 3600.0}
"""Nobody is greeted: a browser may be slow to speak."""


@pytest.fixture
def nodes(tmp_path, nats_server):  # noqa: F811
    """Return two nodes with one name, `localhost`, and one port: the first one has the address ::1,
    the other one 127.0.0.1."""
    (port,) = free_ports(1)
    engine = "--engine", nats_server.url("PAGE")
    made = []
    for number, address in enumerate((r"tcp6:{}:interface=\:\:1", "tcp:{}:interface=127.0.0.1")):
        listen = "--listen", address.format(port)
        made.append(Server(tmp_path / str(number), *engine, *listen, **QUIETLY))
    yield port, made
    for node in made:
        node.kill()


def speaker(node):
    """Return the connection of a program that talks in the lobby."""
    client = RawClient(node.port)
    client.ask(do="hello", name="bot")
    client.ask(do="join", room="lobby")
    client.event("ok")
    return client


def test_a_page_goes_on_at_another_node(browser, nodes):
    """Each node is killed in turn. The page goes on at the other one under the same name; all that
    is said meanwhile, here and there, is shown once and in order, and stored once."""
    port, (one, other) = nodes
    page = browser.new_page()
    page.set_default_timeout(PATIENCE * 1000)
    page.goto(f"http://localhost:{port}/")
    carla = Person(page)
    carla.come_in("carla")
    said = []
    for dying, living in ((one, other), (other, one)):
        dying.kill()
        bot = speaker(living)
        for text in (f"{len(said)} from the page", f"{len(said)} from elsewhere"):
            said.append(text)
            if text.endswith("page"):
                carla.say(text)
                bot.event("message")
            else:
                bot.ask(do="say", room="lobby", text=text)
                carla.sees(text)
        assert page.locator(".row:not(.pending) .text").all_inner_texts() == said
        bot.ask(do="history", room="lobby", id="all")
        while (answer := bot.event()).get("id") != "all":
            pass
        assert [(it["from"], it["text"]) for it in answer["entries"]] == [
            ("carla" if it.endswith("page") else "bot", it) for it in said
        ]
        bot.close()
        dying.start()
    page.close()
