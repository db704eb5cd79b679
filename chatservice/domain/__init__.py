"""What is true: rooms, logs, cursors, users, shelves, and who may do what.

Knows no protocol and no storage, and no Twisted: what lasts is reached through `ports`, time is
passed in.

* `log`: the log and its cursors, on which all else stands.
* `model`: a room, a user, a session: where one is, and who.
* `rooms`, `users`, `files`: what can be done with each; `tickets`: the right to one transfer.
* `chat`: all of them together, and talk.
* `handlers`: what each row of the table of commands does.
* `ports`: what a storage engine must promise.
"""
