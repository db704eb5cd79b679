"""Bytes on connections, for every protocol.

* `sniff`, `tls`: the table of protocols, by the first bytes of a connection; TLS, a row of it.
* `linereader`, `flow`, `transfer`: lines, flow control, and files between the lines.
* `connection`: what a session and a transfer need of one; `onetimer`: its timer.
* `outlet`, `delivery`: the writing side of a connection, and the subscription that fills it.
* `admission`, `timeouts`, `deadpeers`: limits of connections, and those that end without a word.
* `browsers`: the addresses of browsers, which are not greeted.
* `timeslice`, `fairqueue`: fair turns for requests; for passwords and push messages. `reactorlag`:
  how late the reactor is.
* `pushsender`, `webpush`, `publicendpoint`: push messages are sent, and encrypted; connections to
  hosts that a user has named.
"""
