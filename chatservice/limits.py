"""The server's limits on its input, each with its reason.

Beyond a limit, a request is refused, or its connection is not read for a while. `[limits]` of the
configuration file sets them (`chatservice.config`). Limits of the formats, which clients know too,
are constants in `chatservice.names`.
"""

from dataclasses import dataclass, fields


@dataclass(slots=True)
class Limits:
    """The limits of one server. All its parts share one instance and read it at each use.

    `update` changes it, when the configuration file is read again. Nothing else does.
    """

    line_bytes: int = 8192
    """A line without its end: sixteen times an IRC line (RFC 2812, 2.3)."""

    hashes: int = 2
    """Passwords hashed at the same time: each takes 64 MiB, and a core for tens of
    milliseconds."""

    tokens: int = 100
    """Tokens of one user: more than a user can keep track of."""

    file_bytes: int = 1 << 50
    """One file: a pebibyte, which can only be a mistake."""

    user_bytes: int = 1 << 50
    room_bytes: int = 1 << 50
    """All files of one user, and of one room: no limit, in effect."""

    uploads: int = 8
    """Uploads of one user at the same time: each takes a few MiB of memory."""

    uploads_of_all: int = 256
    """Uploads under way at once: 1.5 GiB of memory at the worst, with `uploads.BEHIND_BYTES`
    each."""

    partial_uploads: int = 16
    """Partial uploads kept for one user; beyond that, the oldest is deleted."""

    partial_uploads_of_all: int = 1000
    """Partial uploads kept for all users; beyond that, the least recently used is deleted. Guests
    may come under any number of names."""

    partial_share: float = 0.5
    """The share of the disk that partial uploads may take: of the space that would be free without
    them. The last one stays, however large it is."""

    reserved_share: float = 0.5
    """The share of the free disk space, less what others reserved, that one user's uploads may
    reserve and not have written yet. Otherwise a user who declares all of it and sends nothing
    would block all other uploads for `stalled_seconds`."""

    downloads_of_all: int = 1024
    """Downloads at the same time. Each has a file open, so they are never more than an eighth of
    the files that the server may open; uploads likewise (`connections` has the rest)."""

    address_share: float = 0.5
    """The share of all uploads, downloads and reserved disk space that one address may have."""

    guests_share: float = 0.75
    """The same for all guests together. The rest is for registered users, because guests may come
    under any number of names."""

    free_bytes: int = 100 * 10**6
    """Bytes that stay free on the disk of the files, so that talk can still be stored."""

    partial_seconds: float = 2 * 86400.0
    """The time for which an idle partial upload is kept: a night and a day off."""

    stalled_seconds: float = 60.0
    stalled_bytes: int = 16 << 10
    """An upload that gets less than this in this time gives its reserved disk space back, and a
    download that delivers less ends; both can be resumed. That is longer than a Wi-Fi hand-over,
    and slower than any modem. In the last MiB, a part of the rest is enough: somebody may type a
    file."""

    listed_files: int = 1000
    """Files in one reply to `files`: about 150 KiB. `after` asks for the rest."""

    reading_seconds: float = 60.0
    """The longest wait for the SHA-256 of a file that the operator put into a folder: tens of GB
    from a fast disk. The file is read to its end all the same."""

    discard_bytes: int = 64 << 20
    """A refused upload of up to this size is read and discarded, so that the connection can go on.
    For a larger one the connection is closed, which costs both sides less."""

    history_entries: int = 1000
    """Entries in one reply: about 100 KiB of talk."""

    tail_bytes: int = 32 << 20
    """Bytes that all logs keep in memory, encoded forms included, for readers nearly up to date: a
    quarter of a second of all the talk that one core can take in (docs/performance.md)."""

    answer_bytes: int = 1 << 18
    """Entries, files or users in one reply: as many bytes as are read from storage at a time. The
    reply says what is left out, and the client asks for the rest."""

    joined_users: int = 100
    """Names of users in the reply to `join`; `who` lists all."""

    presence_seconds: float = 600.0
    """The time without a request after which a user is shown as idle: a longer break than between
    two thoughts."""

    who_users: int = 1000
    """Users in one reply to `who`. `after` asks for the rest."""

    versions_listed: int = 1000
    """Versions of a file in one reply. `before` asks for the rest."""

    run_entries: int = 1024
    """Lines in one run. A slow reader gets up to one run too many."""

    own_runs: int = 4096
    """Own runs that a cursor remembers until it has passed them. A user who writes more without
    reading gets their oldest ones back some day."""

    write_bytes: int = 1 << 17
    """Bytes written to a reader at a time. A full transport has taken one such piece too much, so
    this is the cost of a stalled reader beside the kernel's buffers."""

    unstored_entries: int = 256
    """Entries of one connection that are not on the disk yet, before it is read no further. With
    more, heavy writers are no faster, and all others wait longer (docs/performance.md)."""

    unstored_characters: int = 1024
    """A longer message counts as several entries, so that each connection's unstored bytes are
    limited too: to 256 KiB instead of 2 MiB."""

    read_bytes: int = 1 << 13
    """Bytes read from a connection at a time, except for files: a line of the longest. With
    Twisted's 64 KiB, heavy writers are no faster, and a turn of the reactor takes longer."""

    unsent_bytes: int = 1 << 19
    """Bytes that may wait to be sent on one connection before it is read no further: more than a
    piece for a reader and a reply, or two pieces of a file. A client that asks and does not read
    costs that much memory."""

    keepalive_idle_seconds: int = 60
    keepalive_interval_seconds: int = 15
    keepalive_probes: int = 4
    """TCP keepalive: finds a dead peer of an idle connection within two minutes, and frees the
    name. A minute is shorter than routers remember a silent connection (RFC 5382, REQ-5: two hours;
    many use five minutes)."""

    unanswered_seconds: int = 120
    """The wait for a peer to acknowledge sent bytes, plus a quarter: about as long as for an idle
    connection. Linux's default is a quarter of an hour (tcp(7), tcp_retries2). A stopped reader's
    system still answers, so the reader may stay."""

    far_behind: int = 5000
    """Unread entries from which on a person is offered to skip them: more than anybody reads."""

    replay_entries: int = 512
    replay_bytes: int = 1 << 18
    """Read from storage at a time, for readers who are far behind."""

    scan_entries: int = 20_000
    scan_bytes: int = 4 << 20
    """Entries not in the index yet that a search looks through, and entries of an inbox in which a
    conversation with one user is looked for: a tenth of a second."""

    listed: int = 1000
    """Users or accounts in one reply to an operator: about 150 KiB. `after` asks for the rest."""

    search_entries: int = 100
    """Entries in the reply to one search: each may be in a block of its own."""

    search_seconds: float = 2.0
    """The longest time for a search, from its request on: the next one waits for it."""

    end_blocks: int = 64
    end_bytes: int = 1 << 20
    """Blocks and bytes deleted at a time by `--keep`: 10 milliseconds, sometimes 40, during which
    nothing else is stored."""

    end_rest_seconds: float = 0.05
    keep_seconds: float = 60.0
    """The pauses between two such steps, and between two searches for old entries."""

    age_seconds: float = 600.0
    """The period of notes about the age of entries: 50,000 a year. An entry may be deleted this
    much later than it should."""

    ticket_seconds: float = 600.0
    """Time to use a ticket: enough to paste it into another terminal."""

    tickets: int = 10_000
    """Unused tickets: a few MB. Beyond that, the user with most tickets loses their oldest one."""

    note_blocks: int = 1000
    """Blocks after which the logs' last positions are noted. A start after a crash reads that many
    blocks, and one batch."""

    key_seconds: float = 86400.0
    """The time for which a `key` of `say` is remembered: longer than any client reconnects."""

    greeting_seconds: float = 0.25
    """A connection silent for this long is a person's, and is greeted (docs/protocol.md)."""

    first_byte_seconds: float = 1.0
    """The wait for the first byte on a port for both plain and TLS connections; then it is a plain
    one. A lost ClientHello is sent again after a second (RFC 6298, 2.1), and a greeting would break
    the handshake."""

    handshake_seconds: float = 10.0
    """The longest TLS handshake: two round trips (RFC 8446, 2), and the work of a key."""

    tls_closing_seconds: float = 120.0
    """The time for a client to read the rest and to close its side of TLS too (RFC 8446, 6.1): a
    third of a MiB may wait, which takes as long at 3 kB/s."""

    accepting: int = 1024
    """Connections that wait to be accepted on a `--port`: more than a whole school whose network
    comes back. Any more try again after a second (RFC 6298, 2.1)."""

    news_seconds: float = 0.05
    """The time for which arrivals and departures are gathered: nobody notices, and a thousand
    people whose network comes back do not each cost a write to every other."""

    slow_seconds: int = 3600
    """The longest pause between two messages of a user that slow mode may ask for."""

    slow_users: int = 1000
    """Users whose last message a room in slow mode remembers, before it drops those that may
    speak."""

    record_deeds: int = 100
    """Moderators' actions in one reply to `record`: more than a day's."""

    edits: int = 100
    """Edits of one entry, which are all kept for moderators."""

    reactions: int = 1000
    reaction_words: int = 20
    """Reactions to one entry, and words among them: a line for people."""

    reaction_names: int = 10
    """Names of users that are shown with a word; the others are counted."""

    pins: int = 50
    """Pinned entries of one room: two screens of a terminal."""

    typing_seconds: float = 3.0
    """The shortest time between two notices that a user is typing in a room: each costs a look at
    all sessions there."""

    typing_users: int = 10_000
    """Users of whom it is remembered when they were typing: 1 MB."""

    rules: int = 1000
    """Rules of one room: owners, moderators, invitations, mutes, bans."""

    ignored: int = 1000
    """Users that one connection ignores."""

    rooms_joined: int = 100
    """Rooms of one session: each is a cursor, which is looked at for each entry of the room."""

    kept_rooms: int = 200
    """Rooms that one registered user keeps: more than anybody reads. Each is looked at when they
    ask what is unread."""

    read_seconds: float = 5.0
    read_batch: int = 1000
    """Read positions are stored so often, and at most so many at a time: a few milliseconds of the
    database's. What a crash takes of them is shown again as unread."""

    push_subscriptions: int = 10
    push_endpoint_bytes: int = 1024
    """Browsers of one user that get push messages, beyond which the oldest goes, and the address of
    each: twice the longest that push services give."""

    push_idle_seconds: float = 60.0
    """A user who asked for nothing, on any connection, for so long gets push messages: they have
    put the device away, or closed the page without its saying so."""

    push_pause_seconds: float = 5.0
    push_pauses: int = 10_000
    """The shortest time between two push messages to a user about one room or partner, whose
    newest entry the browser shows; and pauses under way: 2 MB."""

    pushes_waiting: int = 1000
    pushes_waiting_an_account: int = 50
    push_bytes_waiting: int = 4 << 20
    """Push messages, and their bytes, that wait or are being sent, in all and of one user. Any more
    are dropped."""

    pushes_at_once: int = 16
    push_seconds: float = 10.0
    push_retry_seconds: float = 5.0
    """Push messages that are sent at the same time, users in turn; the time for each, of which a
    push service needs a tenth; and the pause before another attempt, of which there are two."""

    unread_entries: int = 1000
    unread_mentions: int = 100
    """One answer to `unread` looks at so many entries, to leave out what is no talk, and counts so
    many mentions of a room: a few milliseconds. Beyond that, all entries count."""

    unread_shown: int = 100
    recent_lines: int = 10
    """A person who comes into a room is shown so many unread entries at most, or else so many of
    the last ones: a few screens, or half of one."""

    rooms: int = 10_000
    """Rooms on a server: each takes memory, from the start on."""

    rooms_of_guests: int = 5_000
    """Rooms that no registered user owns; the rest is for registered users. When all are taken, a
    vacant one is removed."""

    rooms_an_address: int = 200
    """Such rooms that guests of one address made since the start: one for each table of a
    school."""

    rooms_an_address_burst: int = 100
    rooms_an_address_per_second: float = 0.1
    """Rooms that all users of one address create."""

    vacant_seconds: float = 60.0
    """A vacant room (no registered owner, no user, no entry) is removed after one to two such
    periods: a client whose network comes back is quicker."""

    listed_bytes: int = 1 << 16
    """Bytes of rooms in one reply to `rooms`, about; never more than `listed` rooms."""

    connections: int = 0
    """Connections in all; 0 means three quarters of the files that the server may open. The rest is
    for transfers and the database. On a full server, the guest idle for longest is asked to come
    back later."""

    connections_an_address: int = 1000
    """Connections of one address, or of one IPv6 /64, the least that a household gets (RFC 6177). A
    school is behind one address. Never more than half of all, so that nobody fills the server
    alone."""

    arrivals_burst: int = 1000
    arrivals_per_second: float = 20.0
    """Connections that one address opens: a whole school whose network comes back, and then more
    than people need. A script that connects for each line gets that many lines."""

    rejected: int = 32
    """Connections that are turned away and wait for their first bytes, to be answered in their own
    protocol. Any more are closed at once: a flood must not hold sockets."""

    accepts: int = 16
    """Connections accepted in one turn of the reactor: a millisecond."""

    trusted: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    """Addresses without a limit of their own, this machine's, for proxies and tunnels. A proxy of
    HTTP among them is believed when it tells a user's address (docs/web.md). Add a proxy on another
    machine."""

    name_seconds: float = 60.0
    """The login timeout: time to read the greeting and to think of a name."""

    request_seconds: float = 60.0
    """The time for the whole head of a request of HTTP, from the last response on, and then for a
    body that is no file: as long as others keep an idle connection."""

    idle_seconds: float = 60.0
    """A full server may end a guest who sent nothing for this long; active users send more
    often."""

    turn_seconds: float = 0.001
    """The time slice for requests in one turn of the reactor: talk is then hardly later than usual
    (docs/performance.md)."""

    commands_burst: int = 1000
    commands_per_second: float = 100.0
    """Commands of one connection. Beyond that it is not read for a while, and nothing is refused.
    Scripts that wait for replies are slower; most commands at this rate take less than a tenth of a
    core."""

    joins_burst: int = 200
    joins_per_second: float = 5.0
    """Joins, leaves and renames of one connection, each told to all others there. A bot can join
    its `rooms_joined` at once, twice."""

    rooms_burst: int = 20
    rooms_per_second: float = 0.1
    """Rooms that one connection creates: those of a school day at once."""

    messages_burst: int = 20
    messages_per_second: float = 0.0
    """Lines of one connection; 0 means no limit: full speed slows down only the speaker, and people
    pipe files into a room. People type less than 1 to 5 a second, a good limit for a public server.
    A paste of ten lines passes at once."""

    failures_free: int = 5
    failures_free_an_address: int = 20
    """Wrong passwords without a delay, for one name or room, and from one address. A whole class
    may mistype behind one address."""

    failures_longest: float = 30.0
    """The longest delay after wrong passwords: it begins with a second, and doubles. So the owner
    of a name is never locked out, and guessing does not get far."""

    failures_seconds: float = 3600.0
    failures_remembered: int = 10_000
    """The time for which wrong passwords are remembered, and for how many names and addresses: 2
    MB."""

    checks_waiting: int = 256
    checks_an_address: int = 32
    """Passwords that wait to be hashed, in all and from one address. Each takes a twentieth of a
    second; addresses take turns, so an address with many waits longest."""

    guesses: int = 4
    """Passwords for one name or room that are delayed at the same time; others wait for their turn,
    by address. So there are four guesses in half a minute, 480 an hour, whatever the number of
    connections and addresses."""

    first_seconds: float = 1.0
    """The delay of an address's first password while somebody guesses at the name. Such addresses
    take turns. So the owner gets in from a new place after a second, and one more for each new
    address just before. Each address that somebody guesses from gains them one guess an hour."""

    def update(self, other: "Limits") -> list[str]:
        """Take the values of `other`, and return the names of the limits that changed."""
        changed = [name for name in NAMES if getattr(self, name) != getattr(other, name)]
        for name in changed:
            setattr(self, name, getattr(other, name))
        return changed


NAMES = tuple(each.name for each in fields(Limits))
"""The names of all limits."""
