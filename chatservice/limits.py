"""The limits on all input, each with its reason. Beyond a limit, a request is refused, or the
connection is not read for a while.

Code looks a limit up when it needs it, so the operator can change it while the server runs
(`chatservice.config`).
"""

LINE_BYTES = 8192
"""A line without its end: sixteen times an IRC line (RFC 2812, 2.3)."""

NAME_CHARACTERS = 32
"""User and room names: they fit in front of a line of talk on a terminal of 80 columns."""

NAME_MARKS = 4
"""Combining marks on one letter of a name, as Unicode advises for identifiers (UTS #39, 5.4)."""

MARKS = 30
"""Consecutive characters without a width, in a text: Unicode's Stream-Safe Text Format (UAX #15).
No language and no emoji needs as many."""

PHRASE_CHARACTERS = 300
"""Topics, farewells, reasons for being away: four lines of a terminal, shown to many unasked."""

FILE_NAME_BYTES = 255
"""NAME_MAX of Linux's usual file systems (limits.h)."""

PASSWORD_CHARACTERS = 256
"""A password: longer than any passphrase, and quick to hash."""

HASHES = 2
"""Passwords hashed at the same time: each takes 64 MiB, and all cores for tens of milliseconds."""

TOKENS = 100
"""Tokens of one user: more than a user can keep track of."""

FILE_BYTES = 1 << 50
"""One file: a pebibyte, which can only be a mistake."""

UPLOADS = 8
"""Uploads of one user at the same time: each takes a few MiB of memory."""

UPLOADS_OF_ALL = 256
"""Uploads under way at once: 1.5 GiB of memory at the worst, with `incoming.BEHIND_BYTES` each."""

UNFINISHED_UPLOADS = 16
"""Partial uploads kept for one user; beyond that, the oldest is deleted."""

UNFINISHED_UPLOADS_OF_ALL = 1000
"""Partial uploads kept for all users; beyond that, the least recently used is deleted. Guests may
come under any number of names."""

UNFINISHED_SHARE = 0.5
"""The share of the disk that partial uploads may take: of the space that would be free without
them. The last one stays, however large it is."""

RESERVED_SHARE = 0.5
"""The share of the free disk space, less what others reserved, that one user's uploads may reserve
and not have written yet. Otherwise a user who declares all of it and sends nothing would block all
other uploads for `STALLED_SECONDS`."""

DOWNLOADS_OF_ALL = 1024
"""Downloads at the same time. Each has a file open, so they are never more than an eighth of the
files that the server may open; uploads likewise (`CONNECTIONS` has the rest)."""

ADDRESS_SHARE = 0.5
"""The share of all uploads, downloads and reserved disk space that one address may have."""

GUESTS_SHARE = 0.75
"""The same for all guests together. The rest is for registered users, because guests may come
under any number of names."""

FREE_BYTES = 100 * 10**6
"""Bytes that stay free on the disk of the files, so that talk can still be stored."""

PARTIAL_SECONDS = 2 * 86400.0
"""The time for which an idle partial upload is kept: a night and a day off."""

STALLED_SECONDS = 60.0
STALLED_BYTES = 16 << 10
"""An upload that gets less than this in this time gives its reserved disk space back, and a
download that delivers less ends; both can be resumed. That is longer than a Wi-Fi hand-over, and
slower than any modem. In the last MiB, a part of the rest is enough: somebody may type a file."""

SHELF_FILES = 1000
"""Files in one reply to `files`: about 150 KiB. `after` asks for the rest."""

READING_SECONDS = 60.0
"""The longest wait for the SHA-256 of a file that the operator put into a folder: tens of GB from
a fast disk. The file is read to its end all the same."""

DISCARD_BYTES = 64 << 20
"""A refused upload of up to this size is read and discarded, so that the connection can go on. For
a larger one the connection is closed, which costs both sides less."""

HISTORY_ENTRIES = 1000
"""Entries in one reply: about 100 KiB of talk."""

TAIL_BYTES = 32 << 20
"""Bytes that all logs keep in memory, encoded forms included, for readers nearly up to date: a
quarter of a second of all the talk that one core can take in (docs/performance.md)."""

TEXT_LINES = 500
"""Lines of one message: more lines of code than fit into `LINE_BYTES`. Each line is shown with its
author, so a message of newlines alone would grow a hundredfold."""

ANSWER_BYTES = 1 << 18
"""Entries, files or users in one reply: as many bytes as are read from storage at a time. The reply
says what is left out, and the client asks for the rest."""

JOINED_USERS = 100
"""Names of users in the reply to `join`; `who` lists all."""

WHO_USERS = 1000
"""Users in one reply to `who`. `after` asks for the rest."""

VERSIONS_LISTED = 1000
"""Versions of a file in one reply. `before` asks for the rest."""

RUN_ENTRIES = 1024
"""Lines in one run. A slow reader gets up to one run too many."""

OWN_RUNS = 4096
"""Own runs that a cursor remembers until it has passed them. A user who writes more without reading
gets their oldest ones back some day."""

WRITE_BYTES = 1 << 17
"""Bytes written to a reader at a time. A full transport has taken one such piece too much, so this
is the cost of a stalled reader beside the kernel's buffers."""

UNSTORED_ENTRIES = 256
"""Entries of one connection that are not on the disk yet, before it is read no further. With more,
heavy writers are no faster, and all others wait longer (docs/performance.md)."""

UNSTORED_CHARACTERS = 1024
"""A longer message counts as several entries, so that each connection's unstored bytes are limited
too: to 256 KiB instead of 2 MiB."""

READ_BYTES = 1 << 13
"""Bytes read from a connection at a time, except for files: a line of the longest. With Twisted's
64 KiB, heavy writers are no faster, and a turn of the reactor takes longer."""

UNSENT_BYTES = 1 << 19
"""Bytes that may wait to be sent on one connection before it is read no further: more than a piece
for a reader and a reply, or two pieces of a file. A client that asks and does not read costs that
much memory."""

KEEPALIVE_IDLE_SECONDS = 60
KEEPALIVE_INTERVAL_SECONDS = 15
KEEPALIVE_PROBES = 4
"""TCP keepalive: finds a dead peer of an idle connection within two minutes, and frees the name. A
minute is shorter than routers remember a silent connection (RFC 5382, REQ-5: two hours; many use
five minutes)."""

UNANSWERED_SECONDS = 120
"""The wait for a peer to acknowledge sent bytes, plus a quarter: about as long as for an idle
connection. Linux's default is a quarter of an hour (tcp(7), tcp_retries2). A stopped reader's
system still answers, so the reader may stay."""

FAR_BEHIND = 5000
"""Unread entries from which on a person is offered to skip them: more than anybody reads."""

REPLAY_ENTRIES = 512
REPLAY_BYTES = 1 << 18
"""Read from storage at a time, for readers who are far behind."""

SCAN_ENTRIES = 20_000
SCAN_BYTES = 4 << 20
"""Entries not in the index yet that a search looks through: a tenth of a second."""

LISTED = 1000
"""Users or accounts in one reply to an operator: about 150 KiB. `after` asks for the rest."""

SEARCH_ENTRIES = 100
"""Entries in the reply to one search: each may be in a block of its own."""

SEARCH_SECONDS = 2.0
"""The longest time for a search, from its request on: the next one waits for it."""

END_BLOCKS = 64
END_BYTES = 1 << 20
"""Blocks and bytes deleted at a time by `--keep`: a few milliseconds during which nothing else is
stored."""

END_REST_SECONDS = 0.05
KEEP_SECONDS = 60.0
"""The pauses between two such steps, and between two searches for old entries."""

AGE_SECONDS = 600.0
"""The period of notes about the age of entries: 50,000 a year. An entry may be deleted this much
later than it should."""

TICKET_SECONDS = 600.0
"""Time to use a ticket: enough to paste it into another terminal."""

TICKETS = 10_000
"""Unused tickets: a few MB. Beyond that, the user with most tickets loses their oldest one."""

NOTE_BLOCKS = 1000
"""Blocks after which the logs' last positions are noted. A start after a crash reads that many
blocks, and one batch."""

KEY_SECONDS = 86400.0
"""The time for which a `key` of `say` is remembered: longer than any client reconnects."""

GREETING_SECONDS = 0.25
"""A connection silent for this long is a person's, and is greeted (docs/protocol.md)."""

FIRST_BYTE_SECONDS = 1.0
"""The wait for the first byte on a port for both plain and TLS connections; then it is a plain
one. A lost ClientHello is sent again after a second (RFC 6298, 2.1), and a greeting would break
the handshake."""

HANDSHAKE_SECONDS = 10.0
"""The longest TLS handshake: two round trips (RFC 8446, 2), and the work of a key."""

TLS_CLOSING_SECONDS = 120.0
"""The time for a client to read the rest and to close its side of TLS too (RFC 8446, 6.1): a third
of a MiB may wait, which takes as long at 3 kB/s."""

ACCEPTING = 1024
"""Connections that wait to be accepted on a `--port`: more than a whole school whose network comes
back. Any more try again after a second (RFC 6298, 2.1)."""

NEWS_SECONDS = 0.05
"""The time for which arrivals and departures are gathered: nobody notices, and a thousand people
whose network comes back do not each cost a write to every other."""

SLOW_SECONDS = 3600
"""The longest pause between two messages of a user that slow mode may ask for."""

SLOW_USERS = 1000
"""Users whose last message a room in slow mode remembers, before it drops those that may speak."""

RECORD_DEEDS = 100
"""Moderators' actions in one reply to `record`: more than a day's."""

RULES = 1000
"""Rules of one room: owners, moderators, invitations, mutes, bans."""

IGNORED = 1000
"""Users that one connection ignores."""

ROOMS_JOINED = 100
"""Rooms of one session: each is a cursor, which is looked at for each entry of the room."""

ROOMS = 10_000
"""Rooms on a server: each takes memory, from the start on."""

ROOMS_OF_GUESTS = 5_000
"""Rooms that no registered user owns; the rest is for registered users. When all are taken, a
vacant one is removed."""

ROOMS_AN_ADDRESS = 200
"""Such rooms that guests of one address made since the start: one for each table of a school."""

ROOMS_AN_ADDRESS_BURST = 100
ROOMS_AN_ADDRESS_PER_SECOND = 0.1
"""Rooms that all users of one address create."""

VACANT_SECONDS = 60.0
"""A vacant room (no registered owner, no user, no entry) is removed after one to two such periods:
a client whose network comes back is quicker."""

LISTED_BYTES = 1 << 16
"""Bytes of rooms in one reply to `rooms`, about; never more than `LISTED` rooms."""

CONNECTIONS = 0
"""Connections in all; 0 means three quarters of the files that the server may open. The rest is for
transfers and the database. On a full server, the guest idle for longest is asked to come back
later."""

CONNECTIONS_AN_ADDRESS = 1000
"""Connections of one address, or of one IPv6 /64, the least that a household gets (RFC 6177). A
school is behind one address. Never more than half of all, so that nobody fills the server alone."""

ARRIVALS_BURST = 1000
ARRIVALS_PER_SECOND = 20.0
"""Connections that one address opens: a whole school whose network comes back, and then more than
people need. A script that connects for each line gets that many lines."""

ACCEPTS = 16
"""Connections accepted in one turn of the reactor: a millisecond."""

TRUSTED = ("127.0.0.0/8", "::1/128")
"""Addresses without a limit of their own: this machine's, for proxies and tunnels. Add a proxy on
another machine, unless it tells the users' addresses."""

NAME_SECONDS = 60.0
"""The login timeout: time to read the greeting and to think of a name."""

IDLE_SECONDS = 60.0
"""A full server may end a guest who sent nothing for this long; active users send more often."""

TURN_SECONDS = 0.001
"""The time slice for requests in one turn of the reactor: talk is then hardly later than usual
(docs/performance.md)."""

COMMANDS_BURST = 1000
COMMANDS_PER_SECOND = 100.0
"""Commands of one connection. Beyond that it is not read for a while, and nothing is refused.
Scripts that wait for replies are slower; most commands at this rate take less than a tenth of a
core."""

JOINS_BURST = 200
JOINS_PER_SECOND = 5.0
"""Joins, leaves and renames of one connection, each told to all others there. A bot can join its
`ROOMS_JOINED` at once, twice."""

ROOMS_BURST = 20
ROOMS_PER_SECOND = 0.1
"""Rooms that one connection creates: those of a school day at once."""

MESSAGES_BURST = 20
MESSAGES_PER_SECOND = 0.0
"""Lines of one connection; 0 means no limit: full speed slows down only the speaker, and people
pipe files into a room. People type less than 1 to 5 a second, a good limit for a public server. A
paste of ten lines passes at once."""

FAILURES_FREE = 5
FAILURES_FREE_AN_ADDRESS = 20
"""Wrong passwords without a delay, for one name or room, and from one address. A whole class may
mistype behind one address."""

FAILURES_LONGEST = 30.0
"""The longest delay after wrong passwords: it begins with a second, and doubles. So the owner of a
name is never locked out, and guessing does not get far."""

FAILURES_SECONDS = 3600.0
FAILURES_REMEMBERED = 10_000
"""The time for which wrong passwords are remembered, and for how many names and addresses: 2 MB."""

CHECKS_WAITING = 256
CHECKS_AN_ADDRESS = 32
"""Passwords that wait to be hashed, in all and from one address. Each takes a twentieth of a
second; addresses take turns, so an address with many waits longest."""

GUESSES = 4
"""Passwords for one name or room that are delayed at the same time; others wait for their turn, by
address. So there are four guesses in half a minute, 480 an hour, whatever the number of connections
and addresses."""

FIRST_SECONDS = 1.0
"""The delay of an address's first password while somebody guesses at the name. Such addresses take
turns. So the owner gets in from a new place after a second, and one more for each new address just
before. Each address that somebody guesses from gains them one guess an hour."""
