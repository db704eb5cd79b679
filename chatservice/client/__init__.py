"""The client: the program `chat-client`, and the library for authors of bots:

    from chatservice.client import connect

docs/bots.md explains the library. The modules, from the user to the network:

* `main`, `chatprogram`, `scripts`: the program, which talks until the user leaves, or does one
  thing for a script.
* `clientoptions`, `settings`, `clientpasswords`: the command line, the remembered servers, and the
  sources of passwords.
* `controller`, `typedlines`: running typed lines, and what they mean.
* `screen`, `pipescreen`, `inlinescreen`, `fullscreen`: the interface of a front end, and its forms.
  `terminalscreen` is the common part of those on a terminal.
* `views`, `scrollback`, `folding`, `annotatedentry`, `readmarks`, `presentusers`: the rooms of the
  full screen. `panes`, `talkpane`, `sidelists`, `talkcursor`: its parts.
* `preferences`, `owncommands`, `dates`, `notifications`, `hook`: `/set` and `/go`, and being told.
* `lineeditor`, `tabcompletion`: typing on a terminal.
* `rendering`, `wrapping`, `links`, `statusline`, `frames`, `panepainter`: rows on a terminal, and
  their way to it.
* `library`: the library for bots.
* `clientsession`, `clientstate`: a session and its rooms over several connections; its state.
* `jsonconnection`, `connectors`: a connection in JSON, over TCP or TLS.
* `transferqueue`, `filetransfers`, `transferconnection`, `transferjournal`, `partialdownload`:
  transfers of files.
* `condition`, `system`: waiting until something holds; differences between operating systems.

No module here imports the reactor when it is loaded.
"""

from chatservice.client.jsonconnection import Dismissed, Lost
from chatservice.client.library import Client, connect
from chatservice.entries import Entry, FileMark, Kind
from chatservice.errors import Code, Refusal

__all__ = ["Client", "Code", "Dismissed", "Entry", "FileMark", "Kind", "Lost", "Refusal", "connect"]
