"""Every bound on what comes in, each with its reason. Beyond one there is a `Refusal`."""

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

FREE_BYTES = 100 * 10**6
"""Bytes that must stay free on the disk of the files: talk is to be stored when no file can be."""

PARTIAL_SECONDS = 2 * 86400.0
"""How long an upload on which nothing moves can go on: over a night, and a day off."""

STALLED_SECONDS = 60.0
"""An upload on which nothing comes for so long gives back the room that was reserved for it; what
came of it is kept, and it can go on. Longer than a Wi-Fi that changes its cell."""

SHELF_FILES = 1000
"""Files in one answer of `files`: about 150 KiB; the rest follows from there (`after`)."""

DISCARD_BYTES = 64 << 20
"""A refused upload of up to this many bytes is read and thrown away, so that the connection can
go on; beyond it, closing is kinder to both sides than a minute of bytes for nothing."""

HISTORY_ENTRIES = 1000
"""Entries in one answer: about 100 KiB of talk."""

TAIL_BYTES = 16 << 20
"""What all logs together hold in memory, for readers nearly up to date: half a second of all the
talk that one core can take in (docs/performance.md)."""

RUN_ENTRIES = 1024
"""Lines taken together as one: beyond that, a run is no unit of which a slow reader takes one too
many."""

OWN_RUNS = 4096
"""Runs that somebody wrote, does not want back, and has not passed yet, because they do not read.
Of one who goes on like that, the oldest are forgotten, and shown to them some day."""

WRITE_BYTES = 1 << 17
"""What a reader is given at a time. A transport that is full has taken one such piece too much, so
this is what a stalled reader costs beside the kernel's own buffers."""

UNSTORED_ENTRIES = 1024
"""What one connection may have said that the disk has not taken yet, before it is read no further:
a commit's worth at full speed."""

FAR_BEHIND = 5000
"""Entries behind the present from which on a person is offered to skip them: more than one would
read."""

REPLAY_ENTRIES = 512
REPLAY_BYTES = 1 << 18
"""What is read from storage at a time, for readers who are not nearly up to date."""

SCAN_ENTRIES = 20_000
SCAN_BYTES = 4 << 20
"""Entries that are not in the index yet which a search looks through: a tenth of a second."""

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

TICKET_SECONDS = 600.0
"""Time to use a ticket: enough to paste it into another terminal."""

TICKETS = 10_000
"""Tickets that are out: beyond that, the oldest goes. A few MB."""

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

ROOMS_JOINED = 100
"""Rooms one session may be in: each is a cursor that is looked at whenever that room speaks."""

ROOMS = 10_000
"""Rooms on a server: each takes memory from the start."""
