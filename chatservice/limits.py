"""Every bound on what comes in, each with its reason. Beyond one there is a `Refusal`, or nothing
more is read for a while.

They are looked up when they are needed, so that the operator can change them while the server runs
(`chatservice.config`).
"""

LINE_BYTES = 8192
"""A line without its end: the design's 8 KiB, sixteen times an IRC line (RFC 2812, 2.3)."""

NAME_CHARACTERS = 32
"""User and room names: fit in front of a line of talk on a terminal of 80 columns."""

NAME_MARKS = 4
"""Marks on one letter of a name: more, Unicode advises to refuse in identifiers (UTS #39, 5.4)."""

MARKS = 30
"""Characters without a width in a row, in a text: Unicode's bound for text that can be worked on in
pieces (UAX #15, "Stream-Safe Text Format"), far beyond any language and any emoji."""

PHRASE_CHARACTERS = 300
"""Topics, last words, reasons for being away: shown to many, unasked; four lines of a terminal."""

FILE_NAME_BYTES = 255
"""NAME_MAX of Linux's usual file systems (limits.h)."""

PASSWORD_CHARACTERS = 256
"""Far beyond a passphrase, and little enough to hash at once."""

HASHES = 2
"""Passwords looked at at once: each takes 64 MiB, and all cores for some tens of milliseconds."""

TOKENS = 100
"""Tokens of one user: more than anybody keeps in order."""

FILE_BYTES = 1 << 50
"""A size that can only be a mistake: one pebibyte."""

UPLOADS = 8
"""Uploads of one user under way at once: each holds a few MiB, and together they share one line."""

UPLOADS_OF_ALL = 256
"""Uploads under way at once: 1.5 GiB of memory at the worst, with `incoming.BEHIND_BYTES` each."""

UNFINISHED_UPLOADS = 16
"""Uploads of one user that stopped half-way and are kept; beyond that, the oldest goes."""

UNFINISHED_UPLOADS_OF_ALL = 1000
"""Uploads of all users that stopped half-way and are kept; beyond that, the one goes on which
nothing has moved for longest. Guests may come under any number of names."""

UNFINISHED_SHARE = 0.5
"""Of the room on the disk that there would be without them, what those may take; but the last one
stays, however large it is."""

RESERVED_SHARE = 0.5
"""Of the room on the disk that others have not reserved, what one user's uploads may have reserved
and not written yet: else who declares all of it, and sends nothing, would have every other upload
refused for as long as `STALLED_SECONDS`."""

DOWNLOADS_OF_ALL = 1024
"""Downloads under way at once. Each has a file open; so there are never more than an eighth of what
the system lets the server have open, and as many uploads (`CONNECTIONS` has the rest)."""

ADDRESS_SHARE = 0.5
"""Of all uploads and downloads that may be under way at once, and of the room on the disk that may
be reserved, what those from one address may have."""

GUESTS_SHARE = 0.75
"""The same for all guests together: what is left is for registered users, as guests may come under
any number of names."""

FREE_BYTES = 100 * 10**6
"""Bytes that must stay free on the disk of the files: talk is to be stored when no file can be."""

PARTIAL_SECONDS = 2 * 86400.0
"""How long an upload on which nothing moves can go on: over a night, and a day off."""

STALLED_SECONDS = 60.0
STALLED_BYTES = 16 << 10
"""An upload on which less comes in so long gives back the room that was reserved for it; what came
of it is kept, and it can go on. A download of which less is taken ends, and can go on as well.
Longer than a Wi-Fi that changes its cell, and slower than any modem. Of the last MiB, a part of
what is left is enough: somebody may type a file."""

SHELF_FILES = 1000
"""Files in one answer of `files`: about 150 KiB; the rest follows from there (`after`)."""

READING_SECONDS = 60.0
"""The longest wait for a file that an operator dropped in and that is still being read for its
SHA-256: some tens of GB from a fast disk. It is read to its end all the same."""

DISCARD_BYTES = 64 << 20
"""A refused upload of up to this many bytes is read and thrown away, so that the connection can
go on; beyond it, closing is kinder to both sides than a minute of bytes for nothing."""

HISTORY_ENTRIES = 1000
"""Entries in one answer: about 100 KiB of talk."""

TAIL_BYTES = 32 << 20
"""Bytes that all logs together hold in memory, for readers nearly up to date, with what was
rendered for them: a quarter of a second of all the talk that one core can take in
(docs/performance.md)."""

TEXT_LINES = 500
"""Lines of one message: of code, more than fit into `LINE_BYTES`. In front of each line stands who
says it, so that a message of newlines would be a hundred times as long as what was sent."""

ANSWER_BYTES = 1 << 18
"""Entries, files and users in one answer take about so many bytes: as much as is read from storage
at a time. What is left out is told, and can be asked for from there on."""

JOINED_USERS = 100
"""Names of those who are in a room already, in the answer to who comes in; `who` lists all."""

WHO_USERS = 1000
"""Users in one answer of `who`; the rest follows from there (`after`)."""

VERSIONS_LISTED = 1000
"""Versions of a file in one answer; those before them follow from there (`before`)."""

RUN_ENTRIES = 1024
"""Lines taken together as one: beyond that, a run is no unit of which a slow reader takes one too
many."""

OWN_RUNS = 4096
"""Runs that somebody wrote, does not want back, and has not passed yet, because they do not read.
Of one who goes on like that, the oldest are forgotten, and shown to them some day."""

WRITE_BYTES = 1 << 17
"""What a reader is given at a time. A transport that is full has taken one such piece too much, so
this is what a stalled reader costs beside the kernel's own buffers."""

UNSTORED_ENTRIES = 256
"""What one connection may have said that the disk has not taken yet, before it is read no further.
With more, those who pour are no faster, and all others wait longer (docs/performance.md)."""

UNSTORED_CHARACTERS = 1024
"""A message of more counts as several of these, so that what waits for the disk is bounded for each
connection in bytes too: 256 KiB, and not 2 MiB."""

READ_BYTES = 1 << 13
"""What is read from a connection at a time, but for a file: a line of the longest. With the 64 KiB
that Twisted reads, who pours lines is no faster either, and a turn of the reactor takes as much
longer."""

UNSENT_BYTES = 1 << 19
"""Bytes that may wait to be sent on one connection before nothing more is read from it: more than a
piece for a reader and an answer, or two pieces of a file. A client that asks and does not read
costs that."""

KEEPALIVE_IDLE_SECONDS = 60
KEEPALIVE_INTERVAL_SECONDS = 15
KEEPALIVE_PROBES = 4
"""Of an idle connection, it is found within two minutes that its other side is gone, and the name
is free again; a minute is below what routers remember a silent connection for (RFC 5382, REQ-5: two
hours, but many take five minutes)."""

UNANSWERED_SECONDS = 120
"""An answer to what was sent is waited for so long, and a quarter of that: about as long as for an
idle connection. Linux's own default is a quarter of an hour (tcp(7), tcp_retries2). A reader who
has stopped answers that they take nothing now, and may stay."""

FAR_BEHIND = 5000
"""Entries behind the present from which on a person is offered to skip them: more than one would
read."""

REPLAY_ENTRIES = 512
REPLAY_BYTES = 1 << 18
"""What is read from storage at a time, for readers who are not nearly up to date."""

SCAN_ENTRIES = 20_000
SCAN_BYTES = 4 << 20
"""Entries that are not in the index yet which a search looks through: a tenth of a second."""

LISTED = 1000
"""Users, or registered names, in one answer for the operator: about 150 KiB; the rest follows from
there (`after`)."""

SEARCH_ENTRIES = 100
"""Entries in the answer to one search: each may have to be taken out of a block of its own."""

SEARCH_SECONDS = 2.0
"""A search that takes longer, counted from when it was asked for, is given up: the next one waits
for it."""

END_BLOCKS = 64
END_BYTES = 1 << 20
"""Blocks, and about how many bytes of them, that are let go of at a time, where entries are not
kept for ever: a few milliseconds during which nothing else is stored."""

END_REST_SECONDS = 0.05
KEEP_SECONDS = 60.0
"""How long to rest between two such steps, and between two looks at what is too old."""

AGE_SECONDS = 600.0
"""So often it is noted how old entries are. An entry may go so much later than it
should; and there are 50,000 such notes a year."""

TICKET_SECONDS = 600.0
"""Time to use a ticket: enough to paste it into another terminal."""

TICKETS = 10_000
"""Tickets that are out: beyond that, the oldest goes of who has most of them. A few MB."""

NOTE_BLOCKS = 1000
"""Blocks after which the logs' last positions are noted: so many, and those of a batch, are looked
through at the next start, if this one ends without warning."""

KEY_SECONDS = 86400.0
"""How long a `key` given with `say` is remembered: a day outlives any reconnecting client."""

GREETING_SECONDS = 0.25
"""Who says nothing for so long is a person, and is greeted (docs/protocol.md)."""

FIRST_BYTE_SECONDS = 1.0
"""Where both plain talk and TLS are spoken: how long to wait for the first byte before a silent
connection is taken for a plain one. A ClientHello that was lost on the way is sent again after a
second (RFC 6298, 2.1); a greeting sent into a handshake would break it."""

HANDSHAKE_SECONDS = 10.0
"""A TLS handshake that takes longer is given up: it is two round trips (RFC 8446, 2), and costs a
key's work."""

TLS_CLOSING_SECONDS = 120.0
"""How long a client has to take the rest and to close its side of TLS too (RFC 8446, 6.1): what may
still wait for it, a third of a MiB, takes as long at 3 kB/s."""

ACCEPTING = 1024
"""Connections that may wait to be accepted, on a `--port`. Of those beyond, each waits a second
(RFC 6298, 2.1); a whole school whose network comes back is below it."""

NEWS_SECONDS = 0.05
"""Who came and who left in so long is told together: nobody notices, and a thousand people whose
network comes back do not each cost a write to each of the others."""

SLOW_SECONDS = 3600
"""The longest time from one message of a user to the next that a room may ask for."""

SLOW_USERS = 1000
"""Users of whom a room in slow mode remembers when they spoke, before it looks who may again."""

RECORD_DEEDS = 100
"""What moderators did, in one answer of `record`: more than a day's."""

RULES = 1000
"""Rules of one room: who owns and moderates it, is invited, muted, banned. It is looked through for
each range of addresses that is banned."""

IGNORED = 1000
"""Users whom one connection does not hear."""

ROOMS_JOINED = 100
"""Rooms one session may be in: each is a cursor that is looked at whenever that room speaks."""

ROOMS = 10_000
"""Rooms on a server: each takes memory from the start."""

ROOMS_OF_GUESTS = 5_000
"""Rooms of those that no registered user owns: the others are for registered users. When all are
taken, one goes in which nobody is and nothing was ever said."""

ROOMS_AN_ADDRESS = 200
"""Rooms of those that guests of one address made since the start: a room for each table of a
school."""

ROOMS_AN_ADDRESS_BURST = 100
ROOMS_AN_ADDRESS_PER_SECOND = 0.1
"""Rooms that are made from one address, whoever makes them."""

VACANT_SECONDS = 60.0
"""A room that no registered user owns, in which nobody is and nothing was ever said, goes after so
long, or twice that: a client whose network comes back is quicker."""

LISTED_BYTES = 1 << 16
"""About how many bytes of rooms there are in one answer of `rooms`; never more than `LISTED`."""

CONNECTIONS = 0
"""Connections in all; 0 is three quarters of the files that the system lets the server have open.
The others are for files on their way, and the database. When all are taken, the guest who has been
idle for longest is told to come back later."""

CONNECTIONS_AN_ADDRESS = 1000
"""Connections of one address (of IPv6, of one /64: a household or a machine has at least that, RFC
6177), but never more than half of all: a school is behind one address, and nobody is to fill the
server alone."""

ARRIVALS_BURST = 1000
ARRIVALS_PER_SECOND = 20.0
"""Connections that one address opens: a whole school whose network comes back, and then more than
people do. A script that connects for each line it says has this long for each."""

ACCEPTS = 16
"""Connections taken in one turn of the reactor: a millisecond, and then all others have theirs."""

TRUSTED = ("127.0.0.0/8", "::1/128")
"""Addresses without a bound of their own: this machine's, from which proxies and tunnels come. (A
proxy on another machine belongs here too, unless it tells where users come from.)"""

NAME_SECONDS = 60.0
"""Time to give a name, or a ticket: enough to read the greeting and to think of one. Nothing but a
name extends it."""

IDLE_SECONDS = 60.0
"""A guest who has sent nothing for so long may be told to come back later, when the server is full:
whoever still writes does so more often."""

TURN_SECONDS = 0.001
"""How long requests are looked at in one turn of the reactor, those that just came and those that
have waited: what was said meanwhile is then not much later than usual (docs/performance.md)."""

COMMANDS_BURST = 1000
COMMANDS_PER_SECOND = 100.0
"""Commands of one connection. Beyond that it is read no further until there is time again: nothing
is refused. Above what scripts do that wait for answers, and below a tenth of a core for most."""

JOINS_BURST = 200
JOINS_PER_SECOND = 5.0
"""How often one connection comes, goes, or changes its name, which all others there are told of. A
bot joins its `ROOMS_JOINED` at once, twice."""

ROOMS_BURST = 20
ROOMS_PER_SECOND = 0.1
"""Rooms that one connection makes: those of a school day at once."""

MESSAGES_BURST = 20
MESSAGES_PER_SECOND = 0.0
"""Lines that one connection says; 0 is no bound: full speed slows down nobody but who speaks, and
people pipe files into a room. On a public server, 1 to 5 is what people type; a paste of ten lines
goes through at once."""

FAILURES_FREE = 5
FAILURES_FREE_AN_ADDRESS = 20
"""Wrong passwords for one name or room, and from one address, that cost no time. Behind one address
there may be a class that mistypes."""

FAILURES_LONGEST = 30.0
"""The longest delay before a password is looked at, behind ones that were wrong: it begins with a
second and doubles. So the owner of a name is never locked out, and guessing does not get far."""

FAILURES_SECONDS = 3600.0
FAILURES_REMEMBERED = 10_000
"""How long wrong passwords are remembered, and for how many names and addresses: about 2 MB."""

CHECKS_WAITING = 256
CHECKS_AN_ADDRESS = 32
"""Passwords that wait to be hashed, in all and from one address. Each takes a twentieth of a
second; addresses take turns, so that one who sends many waits longest."""

GUESSES = 4
"""Passwords for one name or room that are delayed at once, once some were wrong: else somebody with
many connections would guess in all of them. Others wait for their turn, by address: four in half a
minute, 480 an hour, whatever the number of connections and addresses."""

FIRST_SECONDS = 1.0
"""The first password from an address waits for so long where somebody guesses at the name: one such
address after the other. So its owner is in after a second from a place where they never were, and
after one more for each address that came just before. Somebody who guesses from many addresses has
one guess more an hour for each of them."""
