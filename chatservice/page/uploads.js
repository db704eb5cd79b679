// Files on their way up, and their rows above the line where one types. An upload survives a broken
// connection: `put` with the same key tells how much the server has, and with the SHA-256 also after a
// reload, when the file is chosen again.

import {forTab, isLost, random} from './connection.js';
import {duration, el, icon, iconButton, reconcile, size, visible} from './dom.js';

const AT_ONCE = 2;
const ASK_AGAIN = 2000;
const FIRST_WAIT = 1000;  // milliseconds until an upload that broke goes on; then twice as long each time
const LONGEST_WAIT = 30000;

class Stopped extends Error {}

// `place` names a room or a user in the fields of `put`.
class Upload {
  constructor(place, file) {
    Object.assign(this, {place, file, name: file.name, label: visible(file.name), size: file.size, key: random(),
      sha256: null, done: 0, state: 'waits', problem: '', tries: 0, began: 0, from: 0, stop: null});
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
    this.places = forTab.get('uploads') ?? {};  // by name; the server does not tell them
  }

  add(place, files) {
    for (const file of files) {
      this.items.push(new Upload(place, file));
      this.#remember(file.name, place);
    }
    this.unfinished = this.unfinished.filter(({name}) => !this.#has(name));
    this.#next();
  }

  #has(name) {
    return this.items.some((item) => item.name === name);
  }

  #remember(name, place) {
    if (place) this.places[name] = place;
    else delete this.places[name];
    forTab.set('uploads', this.places);
  }

  // The server may not have noticed yet that an earlier page is gone: then it is asked again.
  async findUnfinished() {
    const {transfers} = await this.request('transfers');
    const others = transfers.filter(({up, name}) => up && !this.#has(name));
    this.unfinished = others.filter(({stopped}) => stopped);
    clearTimeout(this.asking);
    if (this.unfinished.length < others.length) {
      this.asking = setTimeout(() => this.findUnfinished().catch(() => {}), ASK_AGAIN);
    }
    this.changed();
  }

  pause(item) {
    item.state = 'paused';
    item.stop?.abort();
    this.#next();
  }

  resume(item) {
    Object.assign(item, {state: 'waits', problem: ''});
    this.#next();
  }

  // The connection is back: what broke with it goes on.
  online() {
    this.items.filter(({state}) => state === 'broken').forEach((item) => this.resume(item));
    this.findUnfinished().catch(() => {});
  }

  cancel(item) {
    item.state = 'gone';
    item.stop?.abort();
    this.#forget(item);
    if (item.sha256) this.request('cancel', {name: item.name}).catch(() => {});
    this.#next();
  }

  async drop({name}) {
    await this.request('cancel', {name});
    await this.findUnfinished();
  }

  #forget(item) {
    this.items = this.items.filter((one) => one !== item);
    this.#remember(item.name, null);
  }

  #next() {
    const busy = this.items.filter(({state}) => state === 'reads' || state === 'goes').length;
    this.items.filter(({state}) => state === 'waits').slice(0, Math.max(0, AT_ONCE - busy))
      .forEach((item) => this.#run(item));
    this.changed();
  }

  // A run that was stopped does nothing more, also if the next one has begun.
  async #run(item) {
    const {signal} = item.stop = new AbortController();
    item.state = 'reads';
    try {
      await this.#read(item, signal);
      await this.#send(item, signal);
      this.#forget(item);
    } catch (error) {
      if (!signal.aborted) this.#failed(item, error);
    }
    this.#next();
  }

  async #read(item, signal) {
    if (item.sha256) return;
    const {digest} = await import('./sha256.js');
    item.sha256 = await digest(item.file, (bytes) => {
      going(signal);
      item.done = bytes;
      this.changed();
    });
  }

  async #send(item, signal) {
    const {place, name, size, sha256, key} = item;
    going(signal);
    const answer = await this.request('put', {...place, name, size, sha256, key});
    going(signal);
    if (answer.stored) return;
    Object.assign(item, {state: 'goes', began: Date.now(), from: answer.offset, done: answer.offset});
    this.changed();
    await this.#put(item, answer, signal);
  }

  // XMLHttpRequest, because fetch tells no progress of what it sends.
  #put(item, {ticket, offset}, signal) {
    return new Promise((stored, failed) => {
      const xhr = new XMLHttpRequest();
      signal.addEventListener('abort', () => xhr.abort());
      xhr.open('PUT', `t/${ticket}?offset=${offset}`);
      xhr.upload.onprogress = ({loaded}) => {
        Object.assign(item, {done: offset + loaded, tries: 0});
        this.changed();
      };
      xhr.onload = () => (xhr.status < 300 ? stored() : failed(refusal(xhr)));
      xhr.onerror = () => failed(Object.assign(new Error('The connection broke.'), {code: 'lost'}));
      xhr.onabort = () => failed(new Stopped());
      xhr.send(item.file.slice(offset));
    });
  }

  // What broke is tried again after a while: the connection of the talk need not break with it.
  #failed(item, error) {
    item.state = isLost(error) ? 'broken' : 'failed';
    item.problem = wordsOfProblem(error);
    if (!isLost(error)) return;
    const wait = Math.min(FIRST_WAIT * 2 ** item.tries++, LONGEST_WAIT);
    setTimeout(() => item.state === 'broken' && this.resume(item), wait);
  }
}

function going(signal) {
  if (signal.aborted) throw new Stopped();
}

function wordsOfProblem(error) {
  if (isLost(error)) return 'waits for the connection';
  // A DOMException comes of the file alone: it was changed or deleted, or it is a folder.
  return error instanceof DOMException ? 'The browser cannot read it. Is it still there, and no folder?'
    : error.message;
}

// Browsers send a request once more if its connection breaks, and a ticket is good once: then
// another one is asked for, as after any break.
function refusal({responseText, status}) {
  try {
    const {code, detail} = JSON.parse(responseText);
    return Object.assign(new Error(detail), code === 'bad-ticket' && {code: 'lost'});
  } catch {
    return new Error(`The server refused it (${status}).`);
  }
}

const WORDS = {waits: 'waits', reads: 'checking the file', paused: 'paused'};

export class Tray {
  element = el('ul.tray', {'aria-label': 'Uploads'});

  #picker = el('input', {type: 'file', hidden: true, 'aria-label': 'The file again'});

  // `here()` is the place of a file whose upload began elsewhere.
  constructor(uploads, here) {
    this.uploads = uploads;
    this.here = here;
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
    const toggle = paused ? iconButton('play', `Go on with ${item.label}`, () => this.uploads.resume(item))
      : iconButton('pause', `Pause ${item.label}`, () => this.uploads.pause(item));
    return el('li', {'data-state': item.state}, icon('file'), el('.tray-words', {},
      el('span', {dir: 'auto'}, item.label), el('small'),
      el('progress', {max: Math.max(1, item.size), value: item.done, 'aria-label': item.label})), toggle,
    iconButton('close', `Cancel ${item.label}`, () => this.uploads.cancel(item)));
  }

  #progress(item) {
    const row = this.element.rows.get(item.key).node;
    row.querySelector('progress').value = item.done;
    row.querySelector('small').textContent = wordsOf(item);
  }

  // An upload of an earlier visit: the browser has forgotten which file it was.
  #old(one) {
    const act = () => this.#choose(this.uploads.places[one.name] ?? this.here());
    return el('li', {'data-state': 'paused'}, icon('file'), el('.tray-words', {},
      el('span', {dir: 'auto'}, one.name), el('small', {}, `${size(one.done)} of ${size(one.size)} arrived; `,
        el('button.link', {onclick: act}, 'choose the file again'), ' to go on')),
    iconButton('close', `Forget ${one.name}`, () => this.uploads.drop(one)));
  }

  #choose(place) {
    this.#picker.value = '';
    this.#picker.onchange = () => this.uploads.add(place, this.#picker.files);
    this.#picker.click();
  }
}

function wordsOf(item) {
  const how = `${size(item.done)} of ${size(item.size)}`;
  if (item.problem) return item.problem;
  if (item.state !== 'goes') return `${WORDS[item.state]} · ${how}`;
  const {rate} = item;
  return rate ? `${how} · ${size(rate)}/s · ${duration((item.size - item.done) / rate)} left` : how;
}
