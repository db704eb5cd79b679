// Files on their way up, and their rows above the line where one types. An upload survives a broken
// connection: `put` with the same key tells how much the server has, and with the SHA-256 also after a
// reload, when the file is chosen again.

import {isLost, random} from './connection.js';
import {duration, el, icon, iconButton, reconcile, size} from './dom.js';

const AT_ONCE = 2;
const ASK_AGAIN = 5000;

class Stopped extends Error {}

class Upload {
  constructor(room, file) {
    Object.assign(this, {room, file, name: file.name, size: file.size, key: random(), sha256: null,
      done: 0, state: 'waits', problem: '', xhr: null, began: 0, from: 0});
  }

  // Bytes in a second since this piece began, or 0.
  get rate() {
    const seconds = (Date.now() - this.began) / 1000;
    return this.state === 'goes' && seconds > 0.5 ? (this.done - this.from) / seconds : 0;
  }
}

export class Uploads {
  // `changed()` is called after each step; `request(name, fields)` asks the server.
  constructor(request, changed) {
    this.request = request;
    this.changed = changed;
    this.items = [];
    this.unfinished = [];  // uploads of an earlier page, which go on when their file is chosen
  }

  add(room, files) {
    for (const file of files) this.items.push(new Upload(room, file));
    this.#next();
  }

  async findUnfinished() {
    const {transfers} = await this.request('transfers');
    const mine = new Set(this.items.map(({name}) => name));
    this.unfinished = transfers.filter(({up, stopped, name}) => up && stopped && !mine.has(name));
    this.changed();
  }

  pause(item) {
    item.state = 'paused';
    item.xhr?.abort();
    this.#next();
  }

  resume(item) {
    Object.assign(item, {state: 'waits', problem: ''});
    this.#next();
  }

  // The connection is back: what broke with it goes on.
  online() {
    this.items.filter(({state}) => state === 'broken').forEach((item) => this.resume(item));
    // Once more a little later: the server may not have noticed yet that an earlier page is gone.
    for (const wait of [0, ASK_AGAIN]) setTimeout(() => this.findUnfinished().catch(() => {}), wait);
  }

  cancel(item) {
    item.state = 'gone';
    item.xhr?.abort();
    this.items = this.items.filter((one) => one !== item);
    if (item.sha256) this.request('cancel', {name: item.name}).catch(() => {});
    this.#next();
  }

  async drop({name}) {
    await this.request('cancel', {name});
    await this.findUnfinished();
  }

  #next() {
    const busy = this.items.filter(({state}) => state === 'reads' || state === 'goes').length;
    this.items.filter(({state}) => state === 'waits').slice(0, Math.max(0, AT_ONCE - busy))
      .forEach((item) => this.#run(item));
    this.changed();
  }

  async #run(item) {
    item.state = 'reads';
    try {
      const {digest} = await import('./sha256.js');
      item.sha256 ??= await digest(item.file, (bytes) => this.#read(item, bytes));
      await this.#send(item);
      this.#finished(item);
    } catch (error) {
      this.#failed(item, error);
    }
    this.#next();
  }

  #read(item, bytes) {
    if (item.state !== 'reads') throw new Stopped();
    item.done = bytes;
    this.changed();
  }

  async #send(item) {
    const {room, name, size, sha256, key} = item;
    const place = room.isPrivate ? {to: room.name.slice(1)} : {room: room.name};
    const answer = await this.request('put', {...place, name, size, sha256, key});
    if (item.state !== 'reads') throw new Stopped();
    if (answer.stored) return;
    Object.assign(item, {state: 'goes', began: Date.now(), from: answer.offset, done: answer.offset});
    this.changed();
    await this.#put(item, answer);
  }

  // XMLHttpRequest, because fetch tells no progress of what it sends.
  #put(item, {ticket, offset}) {
    return new Promise((stored, failed) => {
      const xhr = item.xhr = new XMLHttpRequest();
      xhr.open('PUT', `t/${ticket}?offset=${offset}`);
      xhr.upload.onprogress = ({loaded}) => {
        item.done = offset + loaded;
        this.changed();
      };
      xhr.onload = () => (xhr.status < 300 ? stored() : failed(new Error(reason(xhr))));
      xhr.onerror = () => failed(Object.assign(new Error('The connection broke.'), {code: 'lost'}));
      xhr.onabort = () => failed(new Stopped());
      xhr.send(item.file.slice(offset));
    });
  }

  #finished(item) {
    this.items = this.items.filter((one) => one !== item);
    this.unfinished = this.unfinished.filter(({name}) => name !== item.name);
  }

  #failed(item, error) {
    item.xhr = null;
    if (error instanceof Stopped) return;
    item.state = isLost(error) ? 'broken' : 'failed';
    item.problem = isLost(error) ? 'waits for the connection' : error.message;
  }
}

function reason(xhr) {
  try {
    return JSON.parse(xhr.responseText).detail;
  } catch {
    return `The server refused it (${xhr.status}).`;
  }
}

const WORDS = {waits: 'waits', reads: 'checking the file', paused: 'paused'};

export class Tray {
  element = el('ul.tray', {'aria-label': 'Uploads'});

  constructor(uploads, choose) {
    this.uploads = uploads;
    this.choose = choose;
  }

  draw() {
    const {items, unfinished} = this.uploads;
    reconcile(this.element, [
      ...items.map((item) => ({key: item.key, stamp: item.state, make: () => this.#row(item)})),
      ...unfinished.map((one) => ({key: `${one.name}/${one.sha256}`, stamp: '', make: () => this.#old(one)}))]);
    items.forEach((item) => this.#progress(item));
  }

  #row(item) {
    const paused = ['paused', 'failed', 'broken'].includes(item.state);
    const toggle = paused ? iconButton('play', `Go on with ${item.name}`, () => this.uploads.resume(item))
      : iconButton('pause', `Pause ${item.name}`, () => this.uploads.pause(item));
    return el('li', {'data-state': item.state}, icon('file'), el('.tray-words', {},
      el('span', {dir: 'auto'}, item.name), el('small'),
      el('progress', {max: Math.max(1, item.size), value: item.done, 'aria-label': item.name})), toggle,
    iconButton('close', `Cancel ${item.name}`, () => this.uploads.cancel(item)));
  }

  #progress(item) {
    const row = this.element.rows.get(item.key).node;
    row.querySelector('progress').value = item.done;
    row.querySelector('small').textContent = wordsOf(item);
  }

  // An upload of an earlier visit: the browser has forgotten which file it was.
  #old(one) {
    const act = () => this.choose();
    return el('li', {'data-state': 'paused'}, icon('file'), el('.tray-words', {},
      el('span', {dir: 'auto'}, one.name), el('small', {}, `${size(one.done)} of ${size(one.size)} arrived; `,
        el('button.link', {onclick: act}, 'choose the file again'), ' to go on')),
    iconButton('close', `Forget ${one.name}`, () => this.uploads.drop(one)));
  }
}

function wordsOf(item) {
  const how = `${size(item.done)} of ${size(item.size)}`;
  if (item.problem) return item.problem;
  if (item.state !== 'goes') return `${WORDS[item.state]} · ${how}`;
  const {rate} = item;
  return rate ? `${how} · ${size(rate)}/s · ${duration((item.size - item.done) / rate)} left` : how;
}
