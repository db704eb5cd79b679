"""Bytes to meaning, and back. Knows no Twisted, no clock and no chat: feed it, get values.

* `commands`: the table of commands; `help`: its texts.
* `textparser`: a line that a person typed, to a `Request`.
* `textformat`: entries, events and answers, to lines that a person reads.
* `jsonlines`: the same for programs, in both directions.
* `telnet`: finding the end of a line among telnet's negotiation.
"""
