"""pydle, a library for IRCv3 (https://pypi.org/project/pydle), logs in and talks as bots do."""

import asyncio

import pytest

from tests.irc.clients import IrcClient
from tests.irc.test_registration import register
from tests.servers import PATIENCE

pydle = pytest.importorskip("pydle")
pytest.importorskip("puresasl")


class Bot(pydle.Client):
    """A bot that puts what comes to it into a queue."""

    def __init__(self, *args: str, **more: str) -> None:
        super().__init__(*args, **more)
        self.came: asyncio.Queue[tuple[str, ...]] = asyncio.Queue()

    async def on_join(self, channel, user):
        """Note who came."""
        self.came.put_nowait(("join", channel, user))

    async def on_message(self, target, by, message):
        """Note what was said. The server echoes the bot's own words."""
        if by != self.nickname:
            self.came.put_nowait(("message", target, by, message))


def test_pydle(server, connect):
    """It negotiates all that it knows, logs in by SASL, is in the rooms that its user keeps, and
    talks both ways."""
    register(connect, server, "carla")
    before = IrcClient(server, "carla", secret="secret-1")
    before.send("JOIN #lab")
    before.until("366", "#lab")
    before.close()
    anna = connect(server, "anna")
    anna.send("/join lab")
    anna.expect("You are in lab")

    async def talk() -> None:
        bot = Bot("carla", sasl_username="carla", sasl_password="secret-1")
        await bot.connect("127.0.0.1", server.port, tls=False)

        async def until(*wanted: str) -> None:
            while await bot.came.get() != wanted:
                pass

        await until("join", "#lab", "carla")
        anna.send("hello", "@carla psst")
        await until("message", "#lab", "anna", "hello")
        await until("message", "carla", "anna", "psst")
        await bot.message("#lab", "hello from a bot")
        await bot.message("anna", "back")
        said = [await asyncio.to_thread(anna.expect, "carla") for _ in range(3)]
        assert said[1:] == ["carla: hello from a bot", "carla -> you: back"]
        await bot.disconnect(expected=True)

    asyncio.run(asyncio.wait_for(talk(), PATIENCE))
