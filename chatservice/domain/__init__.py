"""What is true: rooms, logs, cursors, users, shelves, and who may do what.

Knows no protocol and no storage, and no Twisted: what lasts is reached through `ports`, time is
passed in.

* `log`: the log and its cursors, on which all else stands.
* `places`: rooms, users and sessions.
* `tickets`: the right to one transfer, handed to another connection.
* `chat`: what one can do here. `actions` names each deed as the table of commands does.
* `ports`: what a storage engine must promise.
"""
