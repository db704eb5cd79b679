"""The protocols: each a thin translation between bytes and requests to the domain.

* `chatprotocol`: one connection on the port.
* `textsession`, `jsonsession`, `ticketsession`: the text format, the JSON format, and connections
  that carry one file for a ticket.
* `chatsession`: the common part of these; `irc` and `web` have the other protocols.
* `promptdialog`: questions to a person, as for a password.
* `factory`: what all connections share.
"""
