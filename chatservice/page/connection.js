// A WebSocket that comes back by itself. It knows requests and answers, and nothing of talk.

const FIRST_WAIT = 500;
const LONGEST_WAIT = 30000;
const PROBE_TIME = 8000;

export class Refusal extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

const LOST = 'lost';  // the connection broke before the answer; not a code of the server

export class Connection {
  #url;
  #told;
  #socket = null;
  #waiting = new Map();
  #id = 0;
  #tries = 0;
  #timer = 0;

  // `told` has opened(), closed(seconds until the next try), event(object).
  constructor(url, told) {
    this.#url = url;
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
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    socket.onopen = () => socket === this.#socket && this.#told.opened();
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
    if (object.event === 'error') waiting.refused(new Refusal(object.code, object.message));
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

export function isLost(error) {
  return error.code === LOST;
}
