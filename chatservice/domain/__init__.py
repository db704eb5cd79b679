"""The domain: rooms, users, logs, files and rights. No protocol, no storage, no clock, no Twisted.

* `dispatch`: runs every request of every protocol; `handlers` has the function for each command.
* `chat`: the whole, with talk; `rooms`, `users`, `accounts`, `files`,
  `moderation` and `overview` are its parts.
* `model`: the room, the user, the session; `log`: logs, blocks, cursors.
* `history`: pages of what was said; `searching`, `annotating`, `members`, `readpositions`,
  `unread`, `presence`, `typingnotices`: further parts of the chat; `ignoring`: what ignored users
  say, left out.
* `rights`, `rules`, `ratelimit`, `loginthrottle`, `quotas`, `roomlimits`: who may do what, and how
  often; `tickets`: the right to one transfer; `nodetickets`: the same at any node.
* `pushing`: who is told by a push message; `watching`: who is told of single users.
* `elsewhere`, `remotearrivals`: users at other nodes; `figures`, `sparing`: numbers for operators.
* `transfers`, `fileconditions`, `sentcopies`, `paging`, `tokens`, `addresses`: smaller parts.
* `ports`: what a storage engine must promise; `publisher` shows what the engine has stored, and
  `replica` applies its changes.
"""
