"""The engine of a cluster: one replicated log of changes (NATS JetStream), which each node applies,
in order, to a database of its own.

* `wire`: operations as bytes, and back.
* `natslink`: the connection to the log, in a thread of its own.
* `natscredentials`: its login by credentials of NATS.
* `clustertables`: what the nodes know of each other, in the database.
* `replicatedlogs`: the log store whose changes go through the log.
* `sharedclaims`: the names of guests, on all nodes.
* `filerecords`, `chunkstream`, `sharedfiles`: shared files: which there are, their bytes in the
  log's second stream, and all of it as a store of files.
* `snapshots`, `snapshotnote`, `base`: databases in the second stream, with which nodes begin.
* `sharedpresence`: the users at all nodes, who are told of and not stored.
* `clusterengine`: the whole, its start, and its checks.
"""
