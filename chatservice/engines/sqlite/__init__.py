"""The default engine: SQLite for the logs, plain folders for the files.

* `engine`: all of it, in one directory (`SqliteEngine`).
* `schema`: the tables, and opening the database; `integrity`: its checks; `upgrades`: from older
  versions to this one; `rescue`: a command that saves what is readable of a damaged one.
* `logstore`: the logs; `sqltables`, `filetable`: rooms and accounts, and files, in the database.
* `retention`, `entryages`: deleting old entries; `search`: the index and its use.
* `filestore`: shared files in plain folders; `plainfiles`, `filesystem`: work on files; `uploads`:
  files on their way in.
* `threads`, `longjobs`: threads, long jobs in time slices.
* `argon2`, `hashprocess`, `selfsigned`, `permissions`, `folderlock`: secrets and access.
* `maintenance`, `backup`: for the operator.
"""
