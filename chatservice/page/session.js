// One user's session over any number of connections: comes in, joins the rooms again, sends what
// waits, and keeps the state up to date.

import {Connection, Outbox, forGood, forTab, isLost, preferences, random, wordsOf} from './connection.js';
import {entryOf, keyOf, mentionsAll} from './state.js';

const PAGE = 100;           // entries that one step of scrolling reads
const FEWEST = 60;          // entries that a room begins with
const GAP = 500;            // missed entries that are still read one by one
const PRIVATE_ENTRIES = 300;  // of the inbox, to find out with whom one talked
const TYPING_PAUSE = 3000;  // the protocol's shortest time between two notices

export class Session {
  // `told` has refused(error), entered(), joined(), ended(text), waiting(seconds), arrived(room, entry),
  // notice(text) and left(room).
  constructor(state, bell, told) {
    this.state = state;
    this.bell = bell;
    this.told = told;
    this.outbox = new Outbox();
    this.who = null;
    this.online = false;
    this.lastTyping = 0;
    this.reading = new Map();
    this.connection = new Connection({
      opened: () => this.#enter(),
      closed: (seconds) => this.#closed(seconds),
      event: (event) => this.#event(event),
    });
  }

  request(name, fields) {
    return this.connection.request(name, fields);
  }

  // Come in as `{name, password?, resume?, signup?, code?}`. `rooms` are joined besides those kept.
  // `toEnd`: the newest entries are shown first, and not some other place.
  start(who, rooms, toEnd) {
    this.who = who;
    this.toEnd = toEnd;
    this.wanted = rooms;
    this.connection.start();
  }

  async leaveForGood() {
    if (preferences.all.push) await (await import('./push.js')).unsubscribe(this).catch(() => {});
    forGood.set('login', null);
    forTab.set('session', null);
    forTab.set('rooms', null);
    forTab.set('outbox', null);
    document.cookie = 'room=; Max-Age=0';
    this.request('quit').catch(() => {}).finally(() => location.reload());
  }

  // --- coming in

  async #enter() {
    if (!this.who) return;
    try {
      // Asked in one breath: on a slow network each answer that is waited for costs a while.
      const [hello, rooms, joins] = [this.#introduce(), this.request('rooms'), this.#joinKnown()];
      for (const asked of [rooms, joins]) asked.catch(() => {});
      this.#entered(await hello);
      this.state.listed = (await rooms).rooms;
      await this.#joinRest(await joins);
      this.told.joined();
      await this.#afterJoining();
    } catch (error) {
      if (isLost(error)) return;
      this.connection.stop();
      this.told.refused(error);
    }
  }

  #introduce() {
    const {name, password, resume, signup, code} = this.who;
    if (signup) return this.request('signup', {name, password, code: code || undefined});
    const after = this.state.inbox || undefined;
    return this.request('hello', {name, password: password || undefined, token: resume, after});
  }

  #entered(answer) {
    const {state, who} = this;
    // A guest's inbox begins anew when the server has forgotten the guest.
    if (answer.inbox < state.inbox) this.#forgetPrivateTalk();
    state.inbox = answer.inbox;
    state.me = answer.name;
    state.registered = answer.registered;
    this.who = {...who, name: answer.name, resume: answer.token, signup: false};
    forTab.set('session', {name: answer.name, resume: answer.token});
    this.online = true;
    if (who.stay && answer.registered) this.#stayLoggedIn();
    this.told.entered();
    this.bell.ring('all');
  }

  // A token in place of the password: it can be revoked, and changes no password.
  async #stayLoggedIn() {
    this.who.stay = false;
    const label = `browser-${new Date().toISOString().slice(0, 10)}-${random(4)}`;
    try {
      const {token} = await this.request('token', {label});
      forGood.set('login', {name: this.state.me, password: token});
    } catch (error) {
      this.told.notice(error.message);
    }
  }

  #forgetPrivateTalk() {
    for (const room of this.state.rooms.values()) if (room.isPrivate) room.forget();
  }

  // The rooms that this page knows of. Returns their keys.
  #joinKnown() {
    const known = [...this.state.rooms.values()].filter((room) => !room.isPrivate && room.joined)
      .map(({name}) => name);
    const names = [...known, ...(forTab.get('rooms') ?? []), ...this.wanted];
    // A guest has no rooms but these.
    if (!names.length && !this.who.password && !this.who.resume) names.push('lobby');
    return this.#joinAll(names);
  }

  // The rooms that the server has kept for the user.
  #joinRest(done) {
    const names = this.state.listed.filter(({member}) => member).map(({room}) => room)
      .filter((name) => !done.includes(keyOf(name)));
    return this.#joinAll(names.length || done.length ? names : ['lobby']);
  }

  async #joinAll(names) {
    const unique = new Map(names.map((name) => [keyOf(name), name]));
    if (!unique.size) return [];
    const asked = [...unique.values()].map((name) => this.#rejoin(name));
    asked.push(this.refreshUnread());
    asked.push(this.#readAhead(this.wanted[0] ?? forTab.get('current') ?? firstOf(unique)));
    await Promise.all(asked);
    return [...unique.keys()];
  }

  // Read the newest entries of the room that will be shown, asked for before it is known. What is
  // unread was asked before, so it is known when they come.
  async #readAhead(name) {
    if (!this.toEnd || name.startsWith('@') || this.state.room(name)?.loaded) return;
    const answer = await this.request('history', {room: name, limit: FEWEST}).catch(() => null);
    const room = this.state.room(name);
    if (answer && room && !room.loaded && firstLimit(room) === FEWEST) fill(room, answer, FEWEST);
  }

  async #rejoin(name) {
    try {
      const known = this.state.room(name);
      const answer = await this.request('join', {room: name});
      if (known?.last) await this.#catchUp(known, answer);
      this.#joined(answer);
    } catch (error) {
      if (isLost(error)) throw error;
      const room = this.state.room(name);
      if (!room) return;  // the address named it, and says so itself
      room.joined = false;
      this.told.notice(error.message);
    }
  }

  // Read what was missed; after a long sleep, the newest entries instead. If the operator restored an
  // earlier log, everything is read anew.
  async #catchUp(room, {seq}) {
    const gap = seq - room.last;
    if (gap < 0 || await this.#differs(room)) {
      room.rewind(seq);
      await this.refreshUnread(room.name);
      this.told.notice(`The log of ${room.name} was put back to an earlier state. All that is kept of it is shown.`);
    } else if (gap > GAP) {
      room.forget();
      room.last = seq;
    } else if (gap > 0) {
      await this.request('join', {room: room.name, after: room.last});
    }
  }

  // Whether another entry stands where the newest one was: a restored log may have grown since.
  async #differs(room) {
    const seen = room.entries.findLast(({seq}) => seq <= room.last);
    if (!seen) return false;
    const {entries: [event]} = await this.#history(room, {after: seen.seq - 1, limit: 1});
    if (event?.seq !== seen.seq) return false;
    const {time, from} = entryOf(event);
    return time !== seen.time || keyOf(from) !== keyOf(seen.from);
  }

  #joined(answer) {
    const room = this.state.ensure(answer.room);
    room.joined = true;
    room.topic = answer.topic;
    room.read = Math.max(room.read, answer.read);
    room.last = Math.max(room.last, answer.seq);
    room.morePeople = answer.more;
    room.people = new Map([...answer.users, this.state.me]
      .map((name) => [keyOf(name), {name, away: ''}]));
    this.#keepRooms();
    this.bell.ring('rooms', 'people', 'talk');
    return room;
  }

  #keepRooms() {
    const rooms = [...this.state.rooms.values()].filter((room) => room.joined && !room.isPrivate);
    forTab.set('rooms', rooms.map(({name}) => name));
  }

  async #afterJoining() {
    if (preferences.all.typing) this.request('typing', {show: true}).catch(() => {});
    this.outbox.waiting().forEach((item) => this.#send(item));
    await this.#findPrivateTalk();
    this.bell.ring('all');
  }

  async refreshUnread(room) {
    const {rooms} = await this.request('unread', room ? {room} : {});
    for (const row of rooms) {
      const known = this.state.room(row.room);
      if (!known) continue;
      const {read, unread, mentions, exact} = row;
      Object.assign(known, {read, unread, mentions, exact, last: Math.max(known.last, row.last)});
    }
    this.bell.ring('rooms', 'talk');
  }

  async #findPrivateTalk() {
    const {entries} = await this.request('history', {room: '@', limit: PRIVATE_ENTRIES});
    const seen = this.#seen();
    for (const event of entries) {
      const room = this.state.roomOf(event);
      if (!room || room.find(event.seq)) continue;
      room.add(entryOf(event));
      room.read = Math.max(room.read, seen[room.key] ?? 0);
      if (!this.state.isMe(event.from) && room.key in seen && event.seq > room.read) room.unread += 1;
    }
  }

  // --- the connection's news

  #closed(seconds) {
    this.online = false;
    this.told.waiting(seconds);
    this.bell.ring('all');
  }

  #event(event) {
    if (event.event === 'notice' || event.event === 'error') {
      this.#notice(event);
      return;
    }
    const room = this.state.roomOf(event);
    const fresh = this.state.apply(event);
    if (event.seq && room) this.#acknowledge(room, event.seq);
    if (event.event === 'renamed') this.#renamed(event);
    if (event.event === 'read' && event.room !== '@') this.refreshUnread(event.room).catch(() => {});
    if (event.event === 'out') this.#out(room, event);
    this.bell.ring('rooms', 'talk', 'people');
    if (fresh) this.#arrived(fresh);
  }

  async #arrived({room, entry}) {
    if (!room.isPrivate && mentionsAll(entry.text ?? '')) await this.refreshUnread(room.name).catch(() => {});
    this.told.arrived(room, entry);
  }

  // The server says in `end` that it ends the connection, and why.
  #notice({end, ...event}) {
    const text = event.text ?? wordsOf(event);
    if (!end) this.told.notice(text);
    if (!['put-out', 'replaced', 'revoked'].includes(end)) return;
    this.connection.stop();
    this.online = false;
    this.told.ended(text);
  }

  #renamed({from, name}) {
    if (this.state.isMe(name)) this.#rename(name);
    const talk = this.state.room(`@${from}`);
    if (!talk || this.state.room(`@${name}`)) return;
    this.state.rooms.delete(talk.key);
    Object.assign(talk, {name: `@${name}`, key: keyOf(`@${name}`)});
    this.state.rooms.set(talk.key, talk);
  }

  #rename(name) {
    this.who.name = name;
    forTab.set('session', {name, resume: this.who.resume});
  }

  #out(room, event) {
    this.#keepRooms();
    if (room && event.what === 'leave') this.#drop(room);
  }

  #drop(room) {
    this.state.drop(room);
    this.#keepRooms();
    this.told.left(room);
    this.bell.ring('all');
  }

  // --- rooms

  async join(name, password) {
    const answer = await this.request('join', {room: name, password: password || undefined});
    const room = this.#joined(answer);
    // A server need not count for everybody; the room is open all the same.
    await this.refreshUnread(room.name).catch(() => {});
    return room;
  }

  async create(name, password) {
    const fields = {room: name || undefined, password: password || undefined};
    return this.#joined(await this.request('create', fields));
  }

  async leave(room) {
    if (!room.isPrivate && room.joined) await this.request('leave', {room: room.name});
    this.#drop(room);
  }

  async listRooms() {
    const {rooms} = await this.request('rooms');
    this.state.listed = rooms;
    this.bell.ring('rooms');
    return rooms;
  }

  async listPeople(room) {
    if (room.isPrivate) return;
    const {users, members, more} = await this.request('who', {room: room.name});
    room.people = new Map(users.map((user) => [keyOf(user.name), user]));
    room.members = members.filter(({here}) => !here);
    room.morePeople = more;
    this.bell.ring('people');
  }

  // --- reading

  // Read the newest entries of a room that was not looked at yet.
  async load(room) {
    if (room.loaded) return;
    const limit = firstLimit(room);
    await this.#once(room, 'old', async () => fill(room, await this.#history(room, {limit}), limit));
  }

  async loadOlder(room) {
    if (room.complete || !room.loaded || !room.entries.length) return;
    await this.#once(room, 'old', async () => {
      const {seq} = room.entries[0];
      const answer = await this.#history(room, {before: seq, limit: PAGE});
      if (room.entries[0]?.seq !== seq) return;  // another part of the room is shown by now
      room.entries.unshift(...answer.entries.map(entryOf));
      room.complete = answer.entries.length < PAGE && !answer.more;
      room.trim('new');
    });
  }

  async loadNewer(room) {
    if (room.live || !room.entries.length) return;
    await this.#once(room, 'new', async () => {
      const {seq} = room.entries.at(-1);
      const answer = await this.#history(room, {after: seq, limit: PAGE});
      if (room.entries.at(-1)?.seq !== seq) return;
      room.entries.push(...answer.entries.map(entryOf));
      room.live = answer.entries.length < PAGE && !answer.more;
      room.trim('old');
    });
  }

  // Let the window of a room be the entries around a position, or its end without one.
  async loadAround(room, seq) {
    if (!seq) {
      room.forget();
      await this.load(room);
      return;
    }
    if (room.find(seq)) return;
    const [older, newer] = await Promise.all([
      this.#history(room, {before: seq, limit: PAGE / 2}),
      this.#history(room, {after: seq - 1, limit: PAGE / 2})]);
    room.entries = [...older.entries, ...newer.entries].map(entryOf);
    room.complete = older.entries.length < PAGE / 2 && !older.more;
    room.live = newer.entries.length < PAGE / 2 && !newer.more;
    room.loaded = true;
    this.bell.ring('talk');
  }

  #history(room, fields) {
    return this.request('history', {room: room.name, ...fields});
  }

  // Run one reading at a time for a room and a direction.
  async #once(room, direction, read) {
    const name = `${direction} ${room.key}`;
    if (this.reading.has(name)) return;
    this.reading.set(name, true);
    this.bell.ring('talk');
    try {
      await read();
    } finally {
      this.reading.delete(name);
      this.bell.ring('talk');
    }
  }

  isReading(room) {
    return this.reading.has(`old ${room.key}`);
  }

  // The user has seen everything in the room.
  markRead(room) {
    if (!room.unread && room.read >= room.last) return;
    Object.assign(room, {read: room.last, unread: 0, mentions: 0, exact: true});
    this.bell.ring('rooms');
    if (room.isPrivate) this.#markSeen(room);
    else this.#tellRead(room);
  }

  // At most one request a second for each room: talk may come fast.
  #tellRead(room) {
    if (room.telling || !room.joined) return;
    room.telling = true;
    setTimeout(() => {
      room.telling = false;
      this.request('read', {room: room.name, position: room.read}).catch(() => {});
    }, 1000);
  }

  // The server has one read position for the whole inbox, and none for each talk in it.
  #markSeen(room) {
    const seen = forGood.get('seen') ?? {};
    forGood.set('seen', {...seen, [this.state.me]: {...this.#seen(), [room.key]: room.last}});
  }

  #seen() {
    return (forGood.get('seen') ?? {})[this.state.me] ?? {};
  }

  // --- saying

  say(room, text, more = {}) {
    this.#post(room, room.isPrivate ? 'msg' : 'say', {text, ...more});
  }

  act(room, text) {
    if (room.isPrivate) this.#post(room, 'msg', {text, action: true});
    else this.#post(room, 'me', {text});
  }

  #post(room, name, fields) {
    const item = this.outbox.add(room, name, fields);
    this.bell.ring('talk');
    if (this.online) this.#send(item);
  }

  retry(item) {
    item.error = '';
    this.bell.ring('talk');
    this.#send(item);
  }

  discard(item) {
    this.outbox.remove(item);
    this.bell.ring('talk');
  }

  async #send(item) {
    const place = item.name === 'msg' ? {to: item.room.slice(1)} : {room: item.room};
    try {
      const answer = await this.request(item.name, {...place, ...item.fields, key: item.key});
      this.#sent(item, item.name === 'msg' ? answer.copy : answer.seq);
      if (answer.away) this.told.notice(`${answer.to} is away: ${answer.away}`);
    } catch (error) {
      if (!isLost(error)) item.error = error.message;
    }
    this.bell.ring('talk');
  }

  #sent(item, seq) {
    const room = this.state.room(item.room);
    // Behind a window that does not reach the end the entry will not appear, so nothing is kept.
    if (!seq || !room || !room.live || room.find(seq)) this.outbox.remove(item);
    else this.outbox.stored(item, seq);
  }

  #acknowledge(room, seq) {
    const item = this.outbox.of(room).find((one) => one.seq === seq);
    if (item) this.outbox.remove(item);
  }

  typing(room) {
    const now = Date.now();
    const silent = room.isPrivate || !room.joined || !this.online || !preferences.all.typing;
    if (silent || now - this.lastTyping < TYPING_PAUSE) return;
    this.lastTyping = now;
    this.request('typing', {room: room.name}).catch(() => {});
  }
}

function firstLimit({unread}) {
  return Math.min(Math.max(unread + 30, FEWEST), 400);
}

// Put in the newest entries of a room, which are `limit` unless it has fewer.
function fill(room, {entries, more}, limit) {
  entries.forEach((event) => room.add(entryOf(event)));
  room.complete = room.complete || (entries.length < limit && !more);
  room.loaded = true;
}

// The room that the list shows first.
function firstOf(names) {
  return names.get('lobby') ?? [...names.values()].sort((a, b) => a.localeCompare(b))[0];
}
