"""The plugin of twistd: the command `chat`."""

from typing import Any

from twisted.application.service import IService, IServiceMaker
from twisted.plugin import IPlugin
from zope.interface import implementer

from chatservice.options import Options


@implementer(IServiceMaker, IPlugin)
class ChatServiceMaker:
    """Makes the service of `twistd chat`. It imports the reactor only after twistd chose one."""

    tapname = "chat"
    description = "A chat and file-sharing server for anything that opens a TCP connection."
    options = Options

    def makeService(self, options: Any) -> IService:
        """Return the service for these options."""
        from twisted.internet import reactor

        from chatservice.clocks import use_monotonic
        from chatservice.service import ChatService

        use_monotonic(reactor)
        return ChatService(options, reactor)


chat = ChatServiceMaker()
