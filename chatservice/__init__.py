"""A chat and file-sharing server: a room is a durable log, and a reader is a cursor.

The layers, from the bottom; imports go downwards only (docs/architecture.md, with a glossary):

* `entries`, `events`, `replies`, `errors`, `names`, `confusables`, `limits`, `clocks`, `output`:
  the shared vocabulary.
* `grammar`: bytes to requests and replies, and back; one module for each format.
* `domain`: the rules of rooms, logs, users, files and rights, without I/O.
* `client`: the bundled client, and the library for bots.
* `adminsocket`, `export`: the client of the admin socket; a room's history as a file.
* `engines`: storage: SQLite and plain folders, or memory.
* `net`: connections, for every protocol: lines, TLS, flow control, delivery, transfers.
* `protocols`: the sessions of each protocol: text, JSON, tickets.
* `chatctl`, `config`, `options`, `reload`, `service`, `plugin`: the programs, and their wiring;
  `testing`: a server in memory for tests of bots.
"""

__version__ = "0.1.0"
