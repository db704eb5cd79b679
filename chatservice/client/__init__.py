"""The bundled client: the same grammar from the other side; and the library for who writes bots:

    from chatservice.client import connect

docs/bots.md shows how it is used. The modules:

* `library`, `following`, `moving`: what a bot's author uses.
* `main`, `scripts`: the program: a line at a time, or one thing for a script.
* `options`, `settings`, `login`,
   `passwords`, `keyrings`: what the command line says, what is
  remembered, and what is asked for because neither tells;
  `shellcompletion`, `statuses`: what a shell is
  told.
* `controller`, `typedlines`, `questions`: what each line that is typed means, lacks, and does.
* `conversation`, `cursor`: where one is and what was shown, with no I/O in it.
* `session`, `rooms`, `listener`, `pauses`: one stay at a server, over as many connections as that
  takes.
* `connection`: one connection in the JSON dialect.
* `doors`, `tls`, `handshake`, `known`: ways to a server, plain and over TLS, and whom one believes.
* `transfers`, `carriers`, `saving`: files both ways, on connections of their own, and on the disk.
* `screen`, `pipescreen`, `terminalscreen`: what a person or a script sees, in two forms.
* `rendering`, `wrapping`, `mentions`, `statusline`: what is shown on a terminal.
* `lineeditor`, `frames`: how it gets there.
* `system`, `locks`, `writing`, `output`: what the system is asked for, and where systems differ.
* `tabcompletion`: what is typed there.

No module here imports the reactor, except `main.run`, which chooses it, and `library.connect`, when
it is given none.
"""

from chatservice.client.jsonconnection import Dismissed, Lost
from chatservice.client.library import Client, connect
from chatservice.entries import Entry, FileMark, Kind
from chatservice.errors import Code, Refusal

__all__ = ["Client", "Code", "Dismissed", "Entry", "FileMark", "Kind", "Lost", "Refusal", "connect"]
