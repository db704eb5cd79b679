"""Bytes on connections, for every protocol.

* `sniff`, `tls`: the table of protocols, by the first bytes of a connection; TLS, a row of it.
* `linereader`, `flow`, `transfer`: lines, flow control, and files between the lines.
* `connection`: what a session and a transfer need of one.
* `outlet`, `delivery`: the writing side of a connection, and the subscription that fills it.
* `admission`, `timeouts`, `deadpeers`: limits of connections, and those that end without a word.
* `timeslice`, `fairqueue`: fair turns for requests and for passwords.
"""
