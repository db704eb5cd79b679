"""How it lasts: SQLite for the logs, plain folders for the files.

* `thread`: one thread that does one job after another, and answers in the reactor's.
* `schema`: the tables, numbered, and opening the database; `checks`: whether it is ours, and whole;
  `latecheck`: the same, of a large one, while it is used; `upgrades`: from older versions to this
  one; `rescue`: a command that saves what can be read of a damaged one.
* `sqlite`: rooms, accounts and logs (`chatservice.domain.ports.Store`).
* `folders`: shared files as plain files in plain folders (`Shelves`); `incoming`: one on its way
  in; `plain`: what is done to a file where it may wait for a disk.
* `passwords`: argon2id, off the reactor's thread (`Passwords`).
* `embedded`: all of it together, as one `Engine` in one directory.
"""
