"""The ports: what the domain needs of a storage engine, and what the engine promises.

Each method that may wait returns an awaitable. Other nodes may write, too, so the engine gives
positions, rooms' numbers and names. Every change of storage can raise `Refusal` (not-stored); then
nothing of it is stored, now or later.

* `engine_ports`: the engine, whose parts the other modules describe, and its follower.
* `log_ports`, `room_ports`, `account_ports`, `member_ports`, `file_ports`: the stores, each with
  its values, and the changes that it tells the follower.
* `loop_ports`: the event loop, which is no part of the engine.
"""
