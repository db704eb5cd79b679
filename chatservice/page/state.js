// What the page knows, changed by the server's events alone. Nothing here touches the page or the
// network, so all of it can be tested by calling it.

const MOST_ENTRIES = 1000;
const MOST_NOTES = 200;
const TYPING_TIME = 6000;
const ENTRIES = new Set(['message', 'action', 'topic', 'file', 'removed', 'gone', 'private', 'sent',
  'sent-file']);
const COUNTED = new Set(['message', 'action', 'file', 'private']);

export const keyOf = (name) => name.toLowerCase();

// An entry of a log: the fields of its event, its time as a number, and `stamp`, which grows with
// each change.
export function entryOf(event) {
  const {event: kind, time, action, ...rest} = event;
  return {...rest, kind: action ? 'action' : kind, time: Date.parse(time), stamp: 0};
}

// A room, or private talk with one user ("@bob"), as this page sees it. `entries` is a window of
// the log: it begins at the log's beginning if `complete`, and reaches its end if `live`.
export class Room {
  constructor(name) {
    this.name = name;
    this.key = keyOf(name);
    this.isPrivate = name.startsWith('@');
    this.topic = '';
    this.joined = this.isPrivate;
    this.entries = [];
    this.loaded = false;
    this.complete = false;
    this.live = true;
    this.last = 0;
    this.read = 0;
    this.unread = 0;
    this.mentions = 0;
    this.exact = true;
    this.mark = null;  // the position behind which the unread began when one came, or null
    this.markSeen = false;
    this.keptUnread = false;  // until the user comes back to the room
    this.people = new Map();
    this.morePeople = 0;
    this.members = [];
    this.typing = new Map();
    this.notes = [];
    this.draft = '';
    this.about = null;
    this.editing = null;
    this.era = 0;  // grows when the log is put back: positions mean other entries then
  }

  find(seq) {
    const index = this.#index(seq);
    return this.entries[index]?.seq === seq ? this.entries[index] : undefined;
  }

  // Put in an entry, in the order of positions; one that is here already takes the new fields.
  add(entry) {
    const index = this.#index(entry.seq);
    const old = this.entries[index];
    if (old?.seq === entry.seq) this.entries[index] = {...entry, stamp: old.stamp + 1};
    else if (index < this.entries.length || this.live) this.entries.splice(index, 0, entry);
    this.last = Math.max(this.last, entry.seq);
  }

  // Keep a bounded number of entries, and drop those at the far end of where one reads.
  trim(end) {
    const many = this.entries.length - MOST_ENTRIES;
    if (many <= 0) return;
    if (end === 'old') {
      this.entries.splice(0, many);
      this.complete = false;
    } else {
      this.entries.splice(-many);
      this.live = false;
    }
  }

  forget() {
    this.entries = [];
    this.notes = [];
    this.loaded = this.complete = false;
    this.live = true;
  }

  // The log is an earlier one, which ends at `last`: what is known of it may be wrong.
  rewind(last) {
    this.forget();
    Object.assign(this, {era: this.era + 1, last, read: 0, unread: 0, mentions: 0, mark: null});
  }

  change(seq, fields) {
    const entry = this.find(seq);
    if (entry) Object.assign(entry, fields, {stamp: entry.stamp + 1});
  }

  #index(seq) {
    let [low, high] = [0, this.entries.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.entries[middle].seq < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

export class State {
  #drafts;

  // `drafts` are half-typed lines of an earlier page, by the keys of their rooms.
  constructor(drafts = {}) {
    this.#drafts = drafts;
    this.me = null;
    this.registered = false;
    this.rooms = new Map();
    this.listed = [];
    this.current = null;
    this.inbox = 0;
    this.noteCount = 0;
  }

  room(name) {
    return this.rooms.get(keyOf(name));
  }

  // The room of that name, made if this page does not know it yet.
  ensure(name) {
    const known = this.room(name);
    if (known) return known;
    const room = new Room(name);
    room.draft = this.#drafts[room.key] ?? '';
    delete this.#drafts[room.key];
    this.rooms.set(room.key, room);
    return room;
  }

  drafts() {
    const begun = [...this.rooms.values()].filter(({draft}) => draft);
    return {...this.#drafts, ...Object.fromEntries(begun.map(({key, draft}) => [key, draft]))};
  }

  drop(room) {
    this.rooms.delete(room.key);
    if (this.current === room) this.current = null;
  }

  isMe(name) {
    return this.me !== null && keyOf(name) === keyOf(this.me);
  }

  // Take in an event of the server. The answer tells what is new to the user: `{room, entry}` of
  // talk that came live, or undefined.
  apply(event) {
    const room = this.roomOf(event);
    if (ENTRIES.has(event.event)) return this.#entry(room, event);
    this.#changes[event.event]?.(room, event);
    if (room && event.seq) room.last = Math.max(room.last, event.seq);
    return undefined;
  }

  // The room that an event belongs to; entries of the inbox belong to private talk.
  roomOf(event) {
    if (event.room === '@') return undefined;
    if (event.room) return this.room(event.room);
    if (event.event === 'sent' || event.event === 'sent-file') return this.ensure(`@${event.to}`);
    if (event.event === 'private' || event.event === 'file') return this.ensure(`@${event.from}`);
    return undefined;
  }

  #entry(room, event) {
    if (!event.room) this.inbox = Math.max(this.inbox, event.seq);
    if (!room) return undefined;
    const fresh = event.seq > room.last;
    const entry = entryOf(event);
    room.add(entry);
    room.trim('old');
    room.typing.delete(keyOf(event.from));
    if (event.event === 'topic') room.topic = event.text;
    if (!fresh || !COUNTED.has(event.event) || this.isMe(event.from)) return undefined;
    this.#count(room, entry);
    return {room, entry};
  }

  #count(room, entry) {
    if (entry.seq <= room.read) return;
    room.unread += 1;
    // Of @room, the server knows whether a moderator said it.
    if (room.isPrivate || mentions(entry.text ?? '', this.me)) room.mentions += 1;
  }

  // The events that have no row of their own, by their names, and what they change.
  #changes = {
    edit: (room, {about, text, seq, time}) =>
      room?.change(about, {text, edited: {seq, time}}),
    reaction: (room, event) => room && react(room, event, true),
    'reaction-removed': (room, event) => room && react(room, event, false),
    pinned: (room, {about}) => room?.change(about, {pinned: true}),
    unpinned: (room, {about}) => room?.change(about, {pinned: false}),
    erased: (room, {position}) => room?.change(position, {kind: 'gone', text: '', pinned: false}),
    joined: (room, {from}) => room && this.#came(room, from),
    left: (room, event) => room && this.#left(room, event),
    away: (room, {from, text}) => room && setAway(room, from, text),
    renamed: (room, {from, name}) => this.#renamed(room, from, name),
    typing: (room, {from}) => room?.typing.set(keyOf(from), {name: from, until: Date.now() + TYPING_TIME}),
    moderated: (room, event) => room && this.note(room, {kind: 'deed', event}),
    out: (room, event) => room && this.#out(room, event),
  };

  #came(room, from) {
    room.people.set(keyOf(from), {name: from, away: ''});
    this.#presence(room, 'came', from);
  }

  #left(room, {from, text}) {
    room.people.delete(keyOf(from));
    room.typing.delete(keyOf(from));
    this.#presence(room, 'left', text ? `${from} (${text})` : from);
  }

  #out(room, event) {
    room.joined = false;
    room.people.clear();
    this.note(room, {kind: 'out', event});
  }

  // Each room in which both are gets this event, so private talk and the own name change once.
  #renamed(room, from, name) {
    if (this.isMe(from)) this.me = name;
    const person = room?.people.get(keyOf(from));
    if (!person) return;
    room.people.delete(keyOf(from));
    room.people.set(keyOf(name), {...person, name});
    this.note(room, {kind: 'renamed', from, name});
  }

  // Users who come and go one after another share a row.
  #presence(room, what, name) {
    const last = room.notes.at(-1);
    if (last?.kind === 'presence' && last.after === room.last) {
      last[what].push(name);
      last.stamp += 1;
    } else {
      this.note(room, {kind: 'presence', came: [], left: [], [what]: [name]});
    }
  }

  // A row that only this page shows, behind the newest entry: an answer, an arrival.
  note(room, note) {
    room.notes.push({...note, id: ++this.noteCount, after: room.last, time: Date.now(), stamp: 0});
    if (room.notes.length > MOST_NOTES) room.notes.shift();
  }

  // The rows of the sidebar: rooms by name, the lobby first; then private talk, the newest first.
  sorted() {
    const all = [...this.rooms.values()];
    const first = (room) => (room.key === 'lobby' ? 0 : 1);
    return {
      rooms: all.filter((room) => !room.isPrivate)
        .sort((a, b) => first(a) - first(b) || a.name.localeCompare(b.name)),
      talks: all.filter((room) => room.isPrivate).sort((a, b) => b.last - a.last),
    };
  }

  totals() {
    const rooms = [...this.rooms.values()];
    return {
      unread: rooms.reduce((sum, room) => sum + room.unread, 0),
      mentions: rooms.reduce((sum, room) => sum + room.mentions, 0),
    };
  }
}

// The word with which a moderator mentions everybody.
const EVERYBODY = '@room';

export const mentionsAll = (text) => mentions(text, EVERYBODY);

// Whether a text has that name as a word, in any case.
export function mentions(text, name) {
  if (!name) return false;
  const escaped = name.replace(/[.*+?^${}()|[\]\\-]/g, '\\$&');
  return new RegExp(`(?<![\\p{L}\\p{N}_])${escaped}(?![\\p{L}\\p{N}_])`, 'iu').test(text);
}

function setAway(room, from, text) {
  const person = room.people.get(keyOf(from));
  if (person) person.away = text;
}

function react(room, {about, from, word}, add) {
  const entry = room.find(about);
  if (!entry) return;
  const all = (entry.reactions ?? []).map((one) => ({...one, names: [...one.names]}));
  const one = all.find((each) => each.word === word);
  if (add && !one) all.push({word, total: 1, names: [from]});
  else if (one) changeReaction(one, from, add);
  room.change(about, {reactions: all.filter(({total}) => total > 0)});
}

// An event may come twice, as live talk and as history; a name counts once.
function changeReaction(one, from, add) {
  const has = one.names.some((name) => keyOf(name) === keyOf(from));
  if (add && has) return;
  one.total += add ? 1 : -1;
  one.names = add ? [...one.names, from] : one.names.filter((name) => keyOf(name) !== keyOf(from));
}
