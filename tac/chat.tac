"""The chat as a Twisted application: `twistd -ny tac/chat.tac`. Options go into the list."""

from twisted.application.service import Application

from chatservice.options import Options
from chatservice.plugin import chat

options = Options()
options.parseOptions(["--port", "5555"])
application = Application("chat")
chat.makeService(options).setServiceParent(application)
