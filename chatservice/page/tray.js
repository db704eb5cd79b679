// The uploads above the line where one types.

import {el, icon, iconButton, reconcile} from './dom.js';
import {duration, size} from './format.js';

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
        el('button.link', {type: 'button', onclick: act}, 'choose the file again'), ' to go on')),
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
