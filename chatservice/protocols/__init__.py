"""How the chat is reached: each protocol a thin translation between a transport and the domain.

* `lines`: a LineReceiver that survives over-long lines and understands telnet.
* `feed`: a cursor feeding a transport.
* `connection`: one connection on the port: who speaks, and what waits for what.
* `raw`: a file's bytes on it.
* `people`, `programs`, `carriers`: the text dialect, the JSON dialect, and connections that carry
  one file for a ticket.
* `factory`: what all connections share.
"""
