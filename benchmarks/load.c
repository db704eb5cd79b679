/* The load generator: many connections to a chat server, driven by one thread at low cost.
 *
 * It must not be the bottleneck. So it counts bytes and reads none while it measures throughput:
 * recv() with MSG_TRUNC lets the kernel discard them without a copy (tcp(7)). That works because all
 * delivered lines have one length: names have one width, and the text is fixed. One message at the
 * beginning shows that length. Only positions grow, and it is known when.
 *
 * It prints JSON, a line for each stage; the last one is the result. Times are in seconds, or in
 * microseconds if the name ends in _us; memory is in bytes. Errors go to stderr, with status 1.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 1024, CHUNK = 1 << 20, LINE = 1024 };

/* Seconds without a byte after which most servers have answered everything. */
#define QUIET 0.4

/* Seconds after which a missing answer counts as a failure. */
static const double PATIENCE = 120;

/* Seconds that the last messages of a measurement may take. */
static const double DRAIN = 20;

/* -- protocols ---------------------------------------------------------------------------------- */

/* `$n` stands for the name, `$r` for the room, `$t` for the text, `$l` for its length, `$$` for `$`.
 * A connection says `hello`, reads `welcome`, says `join`, and reads `joined`. Where `join` is
 * empty, `hello` has done it all; where that is empty, the connection itself has. With `echo`, a
 * sender receives its own messages as well. */
struct protocol {
    const char *name, *hello, *welcome, *join, *joined, *say;
    bool echo;
    double quiet;        /* seconds without a byte after which everything is answered */
    const char *upgrade; /* a request of a WebSocket, said first; all else is sent in frames then */
    bool numbered;       /* a delivered line has its position in the room, in decimal */
};

#define JSON_HELLO "{\"do\":\"hello\",\"name\":\"$n\"}\n"
#define JSON_JOIN "{\"do\":\"join\",\"room\":\"$r\"}\n"
#define JSON_SAY "{\"do\":\"say\",\"room\":\"$r\",\"text\":\"$t\"}\n"
#define JSON_OK "\"event\":\"ok\""
#define IRC_HELLO "NICK $n\r\nUSER $n 0 * :$n\r\n"
#define IRC_CAPS(names) "CAP REQ :" names "\r\n" IRC_HELLO "CAP END\r\n"
#define IRC_JOIN "JOIN #$r\r\n"
#define IRC_SAY "PRIVMSG #$r :$t\r\n"
#define UPGRADE(path) \
    "GET " path " HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

static const struct protocol PROTOCOLS[] = {
    /* A named user is in the lobby at once and hears of everybody who comes there. So each user joins
     * the room in the same write. */
    {"text", "$n\n/join $r\n", "* You are in ", "", "", "$t\n", false, QUIET, NULL, false},
    {"json", JSON_HELLO, JSON_OK, JSON_JOIN, JSON_OK, JSON_SAY, false, QUIET, NULL, true},
    {"websocket", JSON_HELLO, JSON_OK, JSON_JOIN, JSON_OK, JSON_SAY, false, QUIET, UPGRADE("/ws"),
     true},
    /* nginx with nchan: who connects to a channel receives its messages, and may send some. */
    {"nchan", "", "\r\n\r\n", "", "", "$t", true, QUIET, UPGRADE("/rooms/$r"), false},
    {"irc", IRC_HELLO, " 001 ", IRC_JOIN, " 366 ", IRC_SAY, false, QUIET, NULL, false},
    /* IRC with sets of capabilities that real clients ask for. */
    {"irc-time", IRC_CAPS("server-time"), " 001 ", IRC_JOIN, " 366 ", IRC_SAY, false, QUIET, NULL,
     false},
    {"irc-tags", IRC_CAPS("server-time message-tags"), " 001 ", IRC_JOIN, " 366 ", IRC_SAY, false,
     QUIET, NULL, true},
    {"irc-full", IRC_CAPS("server-time message-tags account-tag batch draft/multiline"), " 001 ",
     IRC_JOIN, " 366 ", IRC_SAY, false, QUIET, NULL, true},
    /* Redis, RESP3. Messages are pushed although there are no replies. */
    {"redis", "HELLO 3\r\n", "modules", "SUBSCRIBE $r\r\nCLIENT REPLY OFF\r\n", "subscribe",
     "*3\r\n$$7\r\nPUBLISH\r\n$$4\r\n$r\r\n$$$l\r\n$t\r\n", true, QUIET, NULL, false},
    /* NATS. Its server pings each client once, after two seconds: `quiet` waits for that. */
    {"nats", "CONNECT {\"verbose\":false,\"echo\":false}\r\nPING\r\n", "PONG",
     "SUB $r 1\r\nPING\r\n", "PONG", "PUB $r $l\r\n$t\r\n", false, 3, NULL, false},
};

/* -- options ----------------------------------------------------------------------------------- */

enum { KINDS = sizeof PROTOCOLS / sizeof *PROTOCOLS, NODES = 16 };

static struct {
    const struct protocol *protocol;
    const struct protocol *mixed[KINDS]; /* those of the connections, which take turns */
    int kinds;                           /* how many these are; `protocol` is the first one */
    const struct protocol *speakers; /* that of the senders, if it is another one */
    int ports[NODES]; /* of the server's nodes, which the connections take in turns */
    int nodes;
    int pids[NODES]; /* of its processes, for their CPU time and memory */
    int processes;
    int opening; /* connections that may wait for a welcome: fewer than the server's backlog */
    int rooms;
    int readers;    /* connections in each room */
    int senders;    /* of them, in each room */
    int window;     /* messages that each sender has in flight */
    int stalled;    /* readers that stop reading */
    int text;       /* characters of a message's text */
    double rate;    /* messages a second, where they are sent by the clock */
    double warm;    /* seconds before the measurement */
    double seconds; /* of the measurement */
    bool turns;     /* measure again for each line of the input */
} want = {
    .opening = 40,
    .rooms = 1,
    .readers = 100,
    .senders = 1,
    .window = 1,
    .text = 50,
    .rate = 100,
    .warm = 1,
    .seconds = 5,
};

/* -- small things ------------------------------------------------------------------------------ */

static void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "load: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    exit(1);
}

static void say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    printf("\n");
    fflush(stdout);
}

static double seconds_of(clockid_t clock)
{
    struct timespec t;
    if (clock_gettime(clock, &t) < 0) fail("clock: %s", strerror(errno));
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double now(void) { return seconds_of(CLOCK_MONOTONIC); }

static double own_cpu(void) { return seconds_of(CLOCK_PROCESS_CPUTIME_ID); }

/* The CPU time of all the server's threads; to the nanosecond, which /proc/PID/stat is not. */
static double server_cpu(void)
{
    double sum = 0;
    for (int i = 0; i < want.processes; i++) {
        clockid_t clock;
        if (clock_getcpuclockid(want.pids[i], &clock) != 0)
            fail("there is no process %d", want.pids[i]);
        sum += seconds_of(clock);
    }
    return sum;
}

static uint64_t server_memory(void)
{
    uint64_t sum = 0;
    for (int i = 0; i < want.processes; i++) {
        char path[64];
        unsigned long size, resident;
        snprintf(path, sizeof path, "/proc/%d/statm", want.pids[i]);
        FILE *file = fopen(path, "r");
        if (!file || fscanf(file, "%lu %lu", &size, &resident) != 2) fail("cannot read %s", path);
        fclose(file);
        sum += (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
    }
    return sum;
}

/* -- connections ------------------------------------------------------------------------------- */

struct link {
    const struct protocol *speaks;
    int fd;
    int room;
    const char *awaited; /* the answer to what it said last */
    int matched;     /* characters of the awaited answer at the end of the last chunk */
    bool answered;   /* the awaited answer came */
    bool closed;     /* by the server */
    uint32_t credit; /* messages that it may send now */
    size_t owed;     /* bytes of messages that are to be sent */
    size_t offset;   /* where in `lines` they begin */
    uint64_t bytes;  /* received since the measurement was prepared */
    uint64_t said;   /* messages sent since then */
    uint64_t lines;  /* lines received, where they are counted */
    size_t begun;    /* bytes of a line that is not complete yet */
};

struct room {
    uint64_t said;    /* messages sent by all its senders */
    uint64_t arrived; /* of them, what all its readers have */
    uint32_t *order;  /* who sent them: a ring of those that have not arrived */
    int slowest;      /* the reader with the fewest messages */
    bool moved;       /* ... has received something since then */
};

static struct link *links;
static int opened;         /* connections so far */
static uint64_t *progress; /* by reader: messages got, and its own, if it does not get those */
static struct room *rooms;
static uint32_t ring; /* size of `order`, less one: a power of two, less one */
static int poller;
static double last_byte;    /* when something was last received */
static size_t lengths[KINDS]; /* of a line as it is delivered, in each protocol */
static size_t delivered;    /* ... in that of the first reader */
static char *lines;         /* what one sender sends, often enough to fill a window */
static size_t line, window; /* the length of one of them, and of all */
static bool owing;          /* whether a connection was full when it should have sent */
static char buffer[CHUNK];

static void watch(struct link *it)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = it};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, it->fd, &event) < 0) fail("epoll: %s", strerror(errno));
}

static void write_all(struct link *it, const char *data, size_t size)
{
    if (send(it->fd, data, size, MSG_NOSIGNAL) != (ssize_t)size) it->closed = true;
}

/* Fill in a line of a protocol. `into` has LINE bytes. */
static void fill(char *into, const char *format, int number, int room, const char *text)
{
    char name[16], place[16], length[24], *end = into + LINE;
    snprintf(name, sizeof name, "u%05d", number);
    snprintf(place, sizeof place, "r%03d", room);
    snprintf(length, sizeof length, "%zu", strlen(text));
    for (; *format && into < end - 1; format++) {
        if (*format != '$') {
            *into++ = *format;
            continue;
        }
        format++;
        const char *what = *format == 'n'   ? name
                           : *format == 'r' ? place
                           : *format == 'l' ? length
                           : *format == '$' ? "$"
                                            : text;
        into += snprintf(into, (size_t)(end - into), "%s", what);
    }
    if (into >= end) fail("a line is too long");
    *into = 0;
}

/* Make a text a masked frame (RFC 6455, 5.2); a mask of zeros changes nothing. Return its size. */
static size_t frame(char *into, const char *text)
{
    size_t size = strlen(text);
    if (size > 125) fail("a frame is too long");
    const char head[] = {(char)0x81, (char)(0x80 | size), 0, 0, 0, 0};
    memcpy(into, head, sizeof head);
    memcpy(into + sizeof head, text, size);
    return sizeof head + size;
}

/* Say something that is to be answered by `awaited`. */
static void speak(struct link *it, const char *format, const char *awaited)
{
    char text[LINE], framed[LINE];
    fill(text, format, (int)(it - links), it->room, "");
    it->answered = false;
    it->awaited = awaited;
    it->matched = 0;
    if (!format[0]) return;
    if (it->speaks->upgrade)
        write_all(it, framed, frame(framed, text));
    else
        write_all(it, text, strlen(text));
}

/* Return whether the connection of that number sends messages. */
static bool sends(int number) { return number % want.readers < want.senders; }

/* Connect the next one, for `room`. */
static void connect_one(int room)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(want.ports[opened % want.nodes]),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct linger abort = {1, 0}; /* leave no port in TIME_WAIT behind */
    int on = 1;
    struct link *it = &links[opened++];
    it->speaks = want.speakers && sends(opened - 1) ? want.speakers
                                                    : want.mixed[(opened - 1) % want.kinds];
    it->room = room;
    it->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (it->fd < 0) fail("socket: %s (see ulimit -n)", strerror(errno));
    setsockopt(it->fd, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
    setsockopt(it->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(it->fd, (struct sockaddr *)&address, sizeof address) < 0)
        fail("connecting number %d: %s", opened, strerror(errno));
    watch(it);
    if (it->speaks->upgrade) {
        char request[LINE];
        fill(request, it->speaks->upgrade, opened - 1, room, "");
        write_all(it, request, strlen(request));
    }
}

/* Receive the available bytes, and return their number. Without `into` the kernel discards them. */
static size_t receive(struct link *it, char *into)
{
    size_t size = into ? CHUNK : 1 << 30;
    ssize_t got = recv(it->fd, into, size, MSG_DONTWAIT | (into ? 0 : MSG_TRUNC));
    if (got > 0) {
        it->bytes += (uint64_t)got;
        return (size_t)got;
    }
    if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        it->closed = true;
        epoll_ctl(poller, EPOLL_CTL_DEL, it->fd, NULL);
    }
    return 0;
}

/* -- getting into the rooms -------------------------------------------------------------------- */

static void look_for(struct link *it, size_t got)
{
    const char *pattern = it->awaited;
    int length = (int)strlen(pattern);
    for (size_t i = 0; i < got && !it->answered; i++) {
        it->matched = buffer[i] == pattern[it->matched] ? it->matched + 1 : buffer[i] == pattern[0];
        it->answered = it->matched == length;
    }
}

/* Read for at most `milliseconds`. Return the number of connections that got what they await. */
static int read_answers(int milliseconds)
{
    struct epoll_event events[EVENTS];
    int answers = 0;
    int count = epoll_wait(poller, events, EVENTS, milliseconds);
    for (int i = 0; i < count; i++) {
        struct link *it = events[i].data.ptr;
        bool before = it->answered;
        size_t got = receive(it, buffer);
        if (it->closed)
            fail("the server closed connection %d; the last it said: %.*s", (int)(it - links), 200,
                 buffer);
        look_for(it, got);
        answers += it->answered && !before;
        last_byte = now();
    }
    return answers;
}

static void wait_until_quiet(void)
{
    double limit = now() + PATIENCE;
    last_byte = now();
    while (now() - last_byte < want.protocol->quiet) {
        read_answers(100);
        if (now() > limit) fail("it does not become quiet");
    }
}

/* Connect `count` more and say hello, the k-th for room k / `each`. Return the seconds. */
static double introduce(int count, int each)
{
    int first = opened, welcomed = 0;
    double start = now(), limit = start + PATIENCE;
    while (welcomed < count) {
        int waiting = opened - first - welcomed;
        while (opened - first < count && waiting++ < want.opening) {
            connect_one((opened - first) / each);
            struct link *it = &links[opened - 1];
            speak(it, it->speaks->hello, it->speaks->welcome);
        }
        welcomed += read_answers(1000);
        if (now() > limit) fail("only %d of %d were welcomed", welcomed, count);
    }
    return now() - start;
}

/* Let all connections from number `first` on join at once. Return the seconds that it took. */
static double join(int first)
{
    int joined = 0, asked = 0;
    double start = now(), limit = start + PATIENCE;
    if (!want.protocol->join[0]) return 0;
    for (struct link *it = links + first; it < links + opened; it++) {
        if (!it->speaks->join[0]) continue;
        speak(it, it->speaks->join, it->speaks->joined);
        asked++;
    }
    while (joined < asked) {
        joined += read_answers(1000);
        if (now() > limit) fail("only %d of %d joined", joined, asked);
    }
    return now() - start;
}

static void enter(int count, int each)
{
    int first = opened;
    introduce(count, each);
    join(first);
    wait_until_quiet();
}

/* -- talking ----------------------------------------------------------------------------------- */

static void reset(void)
{
    for (int i = 0; i < opened; i++) {
        struct link *it = &links[i];
        it->bytes = it->said = it->lines = it->begun = it->owed = it->offset = 0;
    }
}

/* Compose the message of a room, which is the same for all senders. Return its size. */
static size_t compose(int room, char *into)
{
    const struct protocol *spoken = want.speakers ? want.speakers : want.protocol;
    static const char PHRASE[] = "the quick brown fox jumps over the lazy dog again ";
    char text[LINE] = "";
    for (int i = 0; i < want.text; i++) text[i] = PHRASE[i % (sizeof PHRASE - 1)];
    text[want.text - 1] = '.'; /* a server may remove a space at the end */
    if (!spoken->upgrade) {
        fill(into, spoken->say, 0, room, text);
        return strlen(into);
    }
    char said[LINE];
    fill(said, spoken->say, 0, room, text);
    return frame(into, said);
}

/* Let `speaker` say one message, the first of its room, and count the bytes that the others receive
 * in each protocol. */
static void calibrate(struct link *speaker)
{
    char text[LINE];
    line = compose(speaker->room, text);
    reset();
    write_all(speaker, text, line);
    wait_until_quiet();
    for (struct link *it = links; it < links + opened; it++)
        if (it->bytes) lengths[it->speaks - PROTOCOLS] = it->bytes;
    for (int i = 0; i < want.kinds; i++)
        if (lengths[want.mixed[i] - PROTOCOLS] < (size_t)want.text)
            fail("a message was not delivered");
    delivered = lengths[want.protocol - PROTOCOLS];
}

/* Return the lines that are in so many bytes, or the bytes of so many `lines` if `inverse`, as a
 * connection receives them after that first message. A position is longer by a digit from each
 * power of ten on. */
static uint64_t convert(const struct link *it, uint64_t amount, bool inverse)
{
    uint64_t each = lengths[it->speaks - PROTOCOLS];
    if (!each) return 0; /* it is the only one who speaks that, and says all itself */
    if (!it->speaks->numbered) return inverse ? amount * each : amount / each;
    uint64_t result = 0;
    for (uint64_t position = 2, end = 10;; position = end, end *= 10, each++) {
        uint64_t lines = end - position;
        if (amount < (inverse ? lines : lines * each))
            return result + (inverse ? amount * each : amount / each);
        amount -= inverse ? lines : lines * each;
        result += inverse ? lines * each : lines;
    }
}

static uint64_t lines_in(const struct link *it) { return convert(it, it->bytes, false); }

static uint64_t bytes_of(const struct link *it, uint64_t count) { return convert(it, count, true); }

/* Send the owed bytes, as far as the connection takes them. */
static void push(struct link *it)
{
    while (it->owed) {
        size_t size = window - it->offset < it->owed ? window - it->offset : it->owed;
        ssize_t sent = send(it->fd, lines + (size_t)it->room * window + it->offset, size,
                            MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            owing = true;
            return;
        }
        if (sent < 0) fail("a sender was cut off: %s", strerror(errno));
        it->owed -= (size_t)sent;
        it->offset = (it->offset + (size_t)sent) % window;
    }
}

static void push_owed(void)
{
    owing = false;
    for (int i = 0; i < opened; i++)
        if (links[i].owed) push(&links[i]);
}

static void prepare_lines(int many)
{
    char text[LINE];
    window = line * (size_t)many;
    lines = malloc((size_t)want.rooms * window);
    for (int r = 0; r < want.rooms; r++) {
        compose(r, text);
        for (int i = 0; i < many; i++)
            memcpy(lines + (size_t)r * window + (size_t)i * line, text, line);
    }
}

/* -- throughput: each keeps `window` messages in flight ---------------------------------------- */

/* Send all that a sender has credit for, in one write. */
static void spend(struct link *it, int number)
{
    struct room *room = &rooms[it->room];
    for (uint32_t i = 0; i < it->credit; i++) room->order[room->said++ & ring] = (uint32_t)number;
    it->said += it->credit;
    if (!want.protocol->echo) progress[number] += it->credit;
    it->owed += it->credit * line;
    it->credit = 0;
    push(it);
}

/* Find the messages that have arrived everywhere, and let their senders send as many new ones. The
 * credit is shared out as if the server kept the order between senders. */
static void settle(int r, bool sending)
{
    struct room *room = &rooms[r];
    int first = r * want.readers;
    uint64_t least = UINT64_MAX;
    for (int i = first + want.readers - 1; i >= first; i--) /* at a tie, one that does not send */
        if (progress[i] < least) {
            least = progress[i];
            room->slowest = i;
        }
    for (; room->arrived < least && room->arrived < room->said; room->arrived++)
        links[room->order[room->arrived & ring]].credit++;
    if (!sending) return;
    for (int i = first; i < first + want.senders; i++)
        if (links[i].credit) spend(&links[i], i);
}

static void take_turn(bool sending)
{
    static int moved[EVENTS];
    struct epoll_event events[EVENTS];
    int rooms_moved = 0;
    int count = epoll_wait(poller, events, EVENTS, 100);
    for (int i = 0; i < count; i++) {
        struct link *it = events[i].data.ptr;
        int number = (int)(it - links);
        if (!receive(it, NULL)) {
            if (it->closed) fail("the server closed connection %d", number);
            continue;
        }
        progress[number] = lines_in(it) + (want.protocol->echo ? 0 : it->said);
        struct room *room = &rooms[it->room];
        if (number == room->slowest && !room->moved) {
            room->moved = true;
            moved[rooms_moved++] = it->room;
        }
    }
    for (int i = 0; i < rooms_moved; i++) {
        rooms[moved[i]].moved = false;
        settle(moved[i], sending);
    }
    if (owing) push_owed();
}

static uint64_t all_said(void)
{
    uint64_t sum = 0;
    for (int r = 0; r < want.rooms; r++) sum += rooms[r].said;
    return sum;
}

/* Return the bytes of pings that came with those that were due: two of each, every 25 seconds. */
static uint64_t pings(const struct link *it, uint64_t due)
{
    uint64_t more = it->bytes > due ? it->bytes - due : 0;
    return more < 20 ? more / 2 * 2 : 0;
}

static uint64_t all_received(void)
{
    uint64_t sum = 0;
    for (int i = 0; i < opened; i++) sum += lines_in(&links[i]);
    return sum;
}

/* Count the bytes that are missing or too many. */
static uint64_t astray(void)
{
    uint64_t sum = 0;
    for (int i = 0; i < opened; i++) {
        uint64_t own = want.protocol->echo ? 0 : links[i].said;
        uint64_t due = bytes_of(&links[i], rooms[links[i].room].said - own);
        if (links[i].speaks->upgrade) due += pings(&links[i], due);
        sum += due > links[i].bytes ? due - links[i].bytes : links[i].bytes - due;
    }
    return sum;
}

/* Report `ready`, and wait for the next line of the input. Return false at its end. */
static bool next_turn(void)
{
    char asked[LINE];
    say("{\"stage\": \"ready\"}");
    return fgets(asked, sizeof asked, stdin) != NULL;
}

/* Let all senders send what they have credit for. */
static void resume(void)
{
    for (int r = 0; r < want.rooms; r++)
        for (int i = r * want.readers; i < r * want.readers + want.senders; i++)
            if (links[i].credit) spend(&links[i], i);
}

static void talk_for(double seconds)
{
    for (double until = now() + seconds; now() < until;) take_turn(true);
}

/* Read on until all messages have arrived everywhere. */
static void drain(void)
{
    double limit = now() + DRAIN;
    while (astray() && now() < limit) take_turn(false);
}

static void measure_talk(void)
{
    say("{\"stage\": \"start\"}");
    double start = now(), mine = own_cpu(), theirs = server_cpu();
    uint64_t received = all_received(), messages = all_said();
    talk_for(want.seconds);
    double wall = now() - start;
    mine = own_cpu() - mine;
    theirs = server_cpu() - theirs;
    double deliveries = (double)(all_received() - received);
    double said = (double)(all_said() - messages);
    say("{\"stage\": \"stop\"}");

    drain();
    say("{\"stage\": \"result\", \"seconds\": %.6f, \"line_bytes\": %zu, \"deliveries\": %.0f, "
        "\"deliveries_per_s\": %.1f, \"messages_per_s\": %.1f, \"server_cpu_s\": %.6f, "
        "\"cpu_ns_per_delivery\": %.2f, \"load_busy\": %.4f, \"bytes_astray\": %lu}",
        wall, delivered, deliveries, deliveries / wall, said / wall, theirs,
        theirs / deliveries * 1e9, mine / wall, astray());
}

static void measure_throughput(void)
{
    int count = want.rooms * want.readers;
    enter(count, want.readers);
    calibrate(&links[0]);
    prepare_lines(want.window);
    reset();

    for (ring = 1; ring < (uint32_t)(want.senders * want.window); ring *= 2) {}
    for (int r = 0; r < want.rooms; r++) rooms[r].order = calloc(ring, sizeof(uint32_t));
    ring--;
    for (int r = 0; r < want.rooms; r++) {
        rooms[r].slowest = (r + 1) * want.readers - 1;
        for (int i = r * want.readers; i < r * want.readers + want.senders; i++)
            links[i].credit = (uint32_t)want.window;
    }

    resume();
    talk_for(want.warm);
    if (!want.turns) {
        measure_talk();
        return;
    }
    drain();
    while (next_turn()) {
        resume();
        measure_talk();
    }
}

/* -- latency: messages sent by the clock ------------------------------------------------------- */

struct talk {
    double start;   /* when message 0 is due; the k-th is due k / rate later */
    uint64_t first; /* the first message that is measured */
    uint64_t end;   /* one past the last one */
    uint64_t sent;
    uint64_t received; /* by all readers together, of those that are measured */
    uint32_t *late_us; /* how late each of them was */
};

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Count the lines of a chunk that have the length of a message. The server may send other lines as
 * well, so this looks for line ends, and there is time for it here. */
static void hear(struct talk *talk, struct link *it, size_t got)
{
    double when = now();
    const char *at = buffer, *end = buffer + got, *newline;
    for (; (newline = memchr(at, '\n', (size_t)(end - at))); at = newline + 1) {
        size_t length = it->begun + (size_t)(newline + 1 - at);
        it->begun = 0;
        if (length != delivered) continue;
        uint64_t k = it->lines++;
        if (k < talk->first || k >= talk->end) continue;
        double late = (when - talk->start - (double)k / want.rate) * 1e6;
        talk->late_us[talk->received++] = late > 0 ? (uint32_t)late : 0;
    }
    it->begun += (size_t)(end - at);
}

/* Let `speaker` talk by the clock, and say how late the others had it. What `readers` connections
 * from the first one on hear is measured. Whoever is not watched reads nothing meanwhile. */
static void talk_by_the_clock(const char *stage, struct link *speaker, int readers)
{
    struct talk talk = {.first = (uint64_t)(want.warm * want.rate)};
    talk.end = talk.first + (uint64_t)(want.seconds * want.rate);
    uint64_t due = (talk.end - talk.first) * (uint64_t)readers;
    talk.late_us = malloc((due + 1) * sizeof *talk.late_us);
    reset();

    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    long step_ns = (long)(1e9 / want.rate);
    struct timespec step = {step_ns / 1000000000, step_ns % 1000000000};
    talk.start = now(); /* first, so that each tick finds a message due */
    timerfd_settime(timer, 0, &(struct itimerspec){step, {0, 1}}, NULL);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, events[EVENTS];
    epoll_ctl(poller, EPOLL_CTL_ADD, timer, &event);

    double mine = 0, theirs = 0, begun = 0, wall = 0, limit = want.warm + want.seconds + DRAIN;
    while ((talk.received < due || !wall) && now() < talk.start + limit) {
        int count = epoll_wait(poller, events, EVENTS, 100);
        for (int i = 0; i < count; i++) {
            struct link *it = events[i].data.ptr;
            uint64_t ticks;
            if (it)
                hear(&talk, it, receive(it, buffer));
            else if (read(timer, &ticks, sizeof ticks) < 0)
                continue;
        }
        double passed = now() - talk.start;
        uint64_t target = (uint64_t)(passed * want.rate) + 1;
        if (target > talk.end) target = talk.end;
        if (talk.sent < target) {
            speaker->owed += (target - talk.sent) * line;
            talk.sent = target;
            push(speaker);
        } else if (owing) {
            push_owed();
        }
        if (!begun && passed >= want.warm) {
            say("{\"stage\": \"start\"}");
            mine = own_cpu(), theirs = server_cpu(), begun = now();
        } else if (begun && !wall && passed >= want.warm + want.seconds) {
            mine = own_cpu() - mine, theirs = server_cpu() - theirs, wall = now() - begun;
            say("{\"stage\": \"stop\"}");
        }
    }
    close(timer);

    uint64_t got = talk.received;
    uint32_t *late = talk.late_us;
    qsort(late, got, sizeof *late, by_size);
    if (!got) fail("nobody heard anything");
    say("{\"stage\": \"%s\", \"line_bytes\": %zu, \"expected\": %lu, \"received\": %lu, "
        "\"p50_us\": %u, \"p99_us\": %u, \"max_us\": %u, \"server_cpu_s\": %.6f, "
        "\"server_busy\": %.5f, \"load_busy\": %.4f, \"memory\": %lu}",
        stage, delivered, due, got, late[got / 2], late[got * 99 / 100], late[got - 1], theirs,
        theirs / wall, mine / wall, server_memory());
    free(late);
}

/* One speaker and `readers` others. */
static void gather(void)
{
    enter(want.readers + 1, want.readers + 1);
    if (want.protocol->upgrade) fail("only lines have ends that are found");
    calibrate(&links[want.readers]);
    prepare_lines(64);
}

static void measure_latency(void)
{
    gather();
    do {
        if (want.turns && !next_turn()) break;
        talk_by_the_clock("result", &links[want.readers], want.readers);
    } while (want.turns);
}

/* -- readers that stop ------------------------------------------------------------------------- */

/* Bytes that a reader is behind when it counts as stopped: more than the kernel keeps for it (4 MiB
 * for the server to send, by tcp_wmem, and what the reader's own side takes), and more than a
 * server will keep of what was said last, so that from there on memory ought not to grow. */
static const uint64_t FLOOD = 48 << 20;

/* Read what comes until each of `count` readers from `first` on has `messages` lines or was cut
 * off, or until `limit` has passed; meanwhile send what `speaker` owes. Return how many have them
 * all. */
static int hear_all(struct link *first, int count, uint64_t messages, struct link *speaker,
                    double limit)
{
    struct epoll_event events[EVENTS];
    struct talk ignored = {0};
    int complete = 0, cut = 0;
    for (limit += now(); complete + cut < count && now() < limit;) {
        push(speaker);
        int ready = epoll_wait(poller, events, EVENTS, speaker->owed ? 1 : 100);
        for (int i = 0; i < ready; i++) {
            struct link *it = events[i].data.ptr;
            bool had = it->lines >= messages;
            hear(&ignored, it, receive(it, buffer));
            if (it < first || it >= first + count || had) continue;
            complete += it->lines >= messages;
            cut += it->lines < messages && it->closed;
        }
    }
    return complete;
}

static void measure_stalled(void)
{
    gather();
    struct link *speaker = &links[want.readers], *stopped = speaker + 1;
    talk_by_the_clock("without", speaker, want.readers);

    enter(want.stalled, want.stalled);
    uint64_t before = server_memory();
    for (struct link *it = stopped; it < links + opened; it++)
        epoll_ctl(poller, EPOLL_CTL_DEL, it->fd, NULL);
    uint64_t flood = 0;
    int reached = want.readers;
    reset();
    while (reached == want.readers && flood * delivered < FLOOD) {
        speaker->owed = window; /* and no more before everybody has it, who reads */
        flood += window / line;
        reached = hear_all(links, want.readers, flood, speaker, DRAIN);
    }
    say("{\"stage\": \"flood\", \"reached\": %d, \"memory_before\": %lu, \"memory\": %lu}", reached,
        before, server_memory());
    if (reached < want.readers) return; /* it stands still with those who have stopped */
    talk_by_the_clock("with", speaker, want.readers);

    uint64_t messages =
        flood + (uint64_t)(want.warm * want.rate) + (uint64_t)(want.seconds * want.rate);
    double start = now();
    for (struct link *it = stopped; it < links + opened; it++) watch(it);
    int complete = hear_all(stopped, want.stalled, messages, speaker, PATIENCE), cut = 0;
    uint64_t least = UINT64_MAX;
    for (struct link *it = stopped; it < links + opened; it++) {
        if (it->lines < least) least = it->lines;
        cut += it->closed;
    }
    say("{\"stage\": \"after\", \"stalled\": %d, \"complete\": %d, \"cut\": %d, \"messages\": %lu, "
        "\"least\": %lu, \"seconds\": %.3f, \"memory\": %lu}",
        want.stalled, complete, cut, messages, least, now() - start, server_memory());
}

/* -- many connections that do nothing ---------------------------------------------------------- */

static void measure_idle(void)
{
    int count = want.rooms * want.readers;
    uint64_t before = server_memory();
    say("{\"stage\": \"start\"}");
    double cpu = server_cpu();
    double introducing = introduce(count, want.readers);
    double introducing_cpu = server_cpu() - cpu;
    wait_until_quiet();
    uint64_t named = server_memory();
    cpu = server_cpu();
    double mine = own_cpu(), joining = join(0);
    mine = own_cpu() - mine;
    double joining_cpu = server_cpu() - cpu;
    say("{\"stage\": \"stop\"}");
    wait_until_quiet();
    uint64_t joined = server_memory();
    say("{\"stage\": \"result\", \"connections\": %d, \"introducing_s\": %.4f, "
        "\"introducing_cpu_s\": %.4f, \"joining_s\": %.4f, \"joining_cpu_s\": %.4f, "
        "\"load_busy\": %.4f, \"memory_before\": %lu, \"memory_named\": %lu, "
        "\"memory_joined\": %lu}",
        count, introducing, introducing_cpu, joining, joining_cpu, joining > 0 ? mine / joining : 0,
        before, named, joined);
}

/* -- what to do -------------------------------------------------------------------------------- */

static const struct protocol *protocol_called(const char *name)
{
    for (int i = 0; i < KINDS; i++)
        if (!strcmp(PROTOCOLS[i].name, name)) return &PROTOCOLS[i];
    fail("no protocol is called %s", name);
    return NULL;
}

/* Take the protocols of a list, such as `irc,irc-tags`. */
static void mix_protocols(char *names)
{
    for (char *name = strtok(names, ","); name; name = strtok(NULL, ",")) {
        if (want.kinds == KINDS) fail("there are too many protocols");
        want.mixed[want.kinds++] = protocol_called(name);
    }
    want.protocol = want.mixed[0];
}

/* Take the numbers of a list, such as `5555,5556`. Return how many there are. */
static int take_numbers(char *list, int *numbers)
{
    int count = 0;
    for (char *text = strtok(list, ","); text; text = strtok(NULL, ",")) {
        if (count == NODES) fail("there are at most %d nodes", NODES);
        numbers[count++] = atoi(text);
    }
    return count;
}

static void read_options(int count, char **arguments)
{
    static const struct option OPTIONS[] = {
        {"protocol", 1, 0, 'd'}, {"port", 1, 0, 'p'},    {"pid", 1, 0, 'i'},
        {"rooms", 1, 0, 'r'},   {"readers", 1, 0, 'n'}, {"senders", 1, 0, 's'},
        {"window", 1, 0, 'w'},  {"rate", 1, 0, 'h'},    {"warm", 1, 0, 'a'},
        {"seconds", 1, 0, 't'}, {"text", 1, 0, 'x'},    {"opening", 1, 0, 'o'},
        {"stalled", 1, 0, 'k'}, {"turns", 1, 0, 'u'},   {"speakers", 1, 0, 'e'},
        {0, 0, 0, 0},
    };
    for (int c; (c = getopt_long(count, arguments, "", OPTIONS, NULL)) != -1;) {
        switch (c) {
        case 'd':
            want.kinds = 0;
            mix_protocols(optarg);
            break;
        case 'p': want.nodes = take_numbers(optarg, want.ports); break;
        case 'i': want.processes = take_numbers(optarg, want.pids); break;
        case 'r': want.rooms = atoi(optarg); break;
        case 'n': want.readers = atoi(optarg); break;
        case 's': want.senders = atoi(optarg); break;
        case 'w': want.window = atoi(optarg); break;
        case 'h': want.rate = atof(optarg); break;
        case 'a': want.warm = atof(optarg); break;
        case 't': want.seconds = atof(optarg); break;
        case 'x': want.text = atoi(optarg); break;
        case 'o': want.opening = atoi(optarg); break;
        case 'k': want.stalled = atoi(optarg); break;
        case 'u': want.turns = atoi(optarg); break;
        case 'e': want.speakers = protocol_called(optarg); break;
        default: exit(2);
        }
    }
    if (!want.protocol || !want.nodes || !want.processes) fail("--protocol, --port and --pid are needed");
    if (want.senders >= want.readers) fail("there must be more readers than senders");
    if (want.text < 1 || want.text > LINE / 2) fail("--text is at most %d", LINE / 2);
}

static const struct {
    const char *name;
    void (*measure)(void);
} SCENARIOS[] = {
    {"throughput", measure_throughput},
    {"latency", measure_latency},
    {"stalled", measure_stalled},
    {"idle", measure_idle},
};

int main(int count, char **arguments)
{
    read_options(count, arguments);
    if (optind + 1 != count) fail("name one scenario");
    int most = want.rooms * want.readers + want.stalled + 1;
    links = calloc((size_t)most, sizeof *links);
    progress = calloc((size_t)most, sizeof *progress);
    rooms = calloc((size_t)want.rooms, sizeof *rooms);
    poller = epoll_create1(0);
    for (size_t i = 0; i < sizeof SCENARIOS / sizeof *SCENARIOS; i++)
        if (!strcmp(SCENARIOS[i].name, arguments[optind])) {
            SCENARIOS[i].measure();
            return 0;
        }
    fail("no scenario is called %s", arguments[optind]);
}
