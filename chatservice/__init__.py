"""A chat and file-sharing server on which a room is a durable log and a reader is a cursor.

The house, from the ground up; imports go downwards only:

* `entries`, `events`, `replies`, `errors`, `names`, `confusables`, `limits`, `clocks`: the words
  that all else is spoken in.
* `grammar`: bytes to meaning and back. Knows no Twisted, no clock and no chat.
* `domain`: what is true: rooms, logs, cursors, users, shelves, and who may do what.
* `engines`: how it lasts: SQLite and plain folders.
* `protocols`: how it is reached: the line protocol, in its two dialects.
* `client`: the bundled client: the same grammar from the other side.
* `adminsocket`, `export`, `chatctl`: the operator's command line, and what it asks the server.
* `config`, `options`, `reload`, `service`, `plugin`: `twistd chat`, and the wiring of it all.
"""

__version__ = "0.1.0"
