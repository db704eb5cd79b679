// The way to the server, what the browser keeps, and what waits to be said.

function read(storage, name) {
  try {
    return JSON.parse(storage().getItem(`chat.${name}`));
  } catch {
    return null;
  }
}

function write(storage, name, value) {
  try {
    if (value === null) storage().removeItem(`chat.${name}`);
    else storage().setItem(`chat.${name}`, JSON.stringify(value));
  } catch {
    // Full or forbidden: the page goes on without.
  }
}

// Functions, because a browser that forbids storage raises at the name itself.
const local = () => localStorage;
const tab = () => sessionStorage;

export const forGood = {
  get: (name) => read(local, name),
  set: (name, value) => write(local, name, value),
};

export const forTab = {
  get: (name) => read(tab, name),
  set: (name, value) => write(tab, name, value),
};

const DEFAULTS = {theme: 'auto', typing: true, notify: false, push: false};

export const preferences = {
  all: {...DEFAULTS, ...forGood.get('preferences')},
  set(name, value) {
    this.all[name] = value;
    forGood.set('preferences', this.all);
  },
};

// Random characters of base64url. crypto.randomUUID is missing on plain http; this is not.
export function random(length = 20) {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return [...crypto.getRandomValues(new Uint8Array(length))].map((byte) => letters[byte & 63])
    .join('');
}

export function applyTheme() {
  const {theme} = preferences.all;
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

// The place that the address names: [room or null, position or 0].
export function place() {
  const [room, seq] = decode(location.hash.slice(1)).split('/');
  return [room || null, Number(seq) || 0];
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const url = new URL('ws', location.href.split('#')[0].replace(/^http/, 'ws'));

// What an earlier page of this browser left: who one was, or null.
export function remembered() {
  const login = forGood.get('login');
  const session = forTab.get('session');
  if (session && login && session.name.toLowerCase() === login.name.toLowerCase()) return {...session, ...login};
  return session ?? login;
}

// For somebody who is remembered the way is opened while the rest of the page is still on its way, and
// talk that came with the page is shown if it is that of the room that they will see.
const ahead = {socket: remembered() ? new WebSocket(url) : null};
const page = document.documentElement.dataset;
const [wanted, position] = place();
page.early = ahead.socket && !position
  && page.talk?.toLowerCase() === (wanted ?? forTab.get('current') ?? 'lobby').toLowerCase() ? 'shown' : '';
applyTheme();

const FIRST_WAIT = 500;
const LONGEST_WAIT = 30000;
const PROBE_TIME = 8000;

class Refusal extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

const LOST = 'lost';  // the connection broke before the answer; not a code of the server

export class Connection {
  #told;
  #socket = null;
  #waiting = new Map();
  #id = 0;
  #tries = 0;
  #timer = 0;

  // `told` has opened(), closed(seconds until the next try), event(object).
  constructor(told) {
    this.#told = told;
    addEventListener('online', () => this.hurry());
    document.addEventListener('visibilitychange', () => document.hidden || this.hurry());
  }

  start() {
    this.stop();
    this.#open();
  }

  stop() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    this.#loseRequests();
  }

  // Send a request; its answer comes as a promise, and a refusal as a `Refusal`.
  request(name, fields = {}) {
    const id = ++this.#id;
    return new Promise((granted, refused) => {
      if (this.#socket?.readyState !== WebSocket.OPEN) {
        refused(new Refusal(LOST, 'There is no connection at the moment.'));
        return;
      }
      this.#waiting.set(id, {granted, refused});
      this.#socket.send(JSON.stringify({do: name, id, ...fields}));
    });
  }

  // Somebody looks at the page again: try at once, and ask whether a quiet socket is still alive.
  hurry() {
    if (this.#timer) this.start();
    else if (this.#socket?.readyState === WebSocket.OPEN) this.#probe(this.#socket);
  }

  #probe(socket) {
    const dead = setTimeout(() => this.#ended(socket), PROBE_TIME);
    const alive = () => clearTimeout(dead);
    this.request('help', {command: 'quit'}).then(alive, alive);
  }

  #open() {
    this.#timer = 0;
    const socket = ahead.socket ?? new WebSocket(url);
    ahead.socket = null;
    this.#socket = socket;
    socket.onopen = () => socket === this.#socket && this.#told.opened();
    // The one that was opened ahead may be open or broken by now.
    if (socket.readyState === WebSocket.OPEN) queueMicrotask(socket.onopen);
    if (socket.readyState > WebSocket.OPEN) queueMicrotask(() => this.#ended(socket));
    socket.onmessage = ({data}) => socket === this.#socket && this.#received(JSON.parse(data));
    socket.onclose = () => this.#ended(socket);
  }

  #received(object) {
    this.#tries = 0;
    const waiting = this.#waiting.get(object.id);
    if (!waiting) {
      this.#told.event(object);
      return;
    }
    this.#waiting.delete(object.id);
    if (object.event === 'error') waiting.refused(new Refusal(object.code, wordsOf(object)));
    else waiting.granted(object);
  }

  #ended(socket) {
    if (socket !== this.#socket) return;
    this.#socket = null;
    socket.close();
    this.#loseRequests();
    const wait = Math.min(FIRST_WAIT * 2 ** this.#tries++, LONGEST_WAIT);
    // Thirty pages that lost one server do not come back in the same instant.
    const spread = wait * (0.7 + 0.6 * Math.random());
    this.#timer = setTimeout(() => this.#open(), spread);
    this.#told.closed(spread / 1000);
  }

  #loseRequests() {
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    waiting.forEach(({refused}) => refused(new Refusal(LOST, 'The connection broke.')));
  }
}

// The server names commands as requests ("rules"); here one types them (/rules).
export function wordsOf({message, commands = []}) {
  return commands.reduce((text, name) => text.replaceAll(`"${name}"`, `/${name}`), message);
}

export function isLost(error) {
  return error.code === LOST;
}

export class Outbox {
  constructor() {
    this.items = forTab.get('outbox') ?? [];
  }

  // Put in a text for a room; `fields` are those of the request besides.
  add(room, name, fields) {
    const item = {room: room.name, name, key: random(), time: Date.now(), fields, seq: 0};
    this.items.push(item);
    this.#keep();
    return item;
  }

  // The server has stored it, at `seq` of the log in which it will appear.
  stored(item, seq) {
    item.seq = seq;
    this.#keep();
  }

  remove(item) {
    this.items = this.items.filter((one) => one !== item);
    this.#keep();
  }

  of(room) {
    return this.items.filter((item) => item.room.toLowerCase() === room.key);
  }

  waiting() {
    return this.items.filter((item) => !item.seq && !item.error);
  }

  #keep() {
    forTab.set('outbox', this.items.filter((item) => !item.seq));
  }
}
