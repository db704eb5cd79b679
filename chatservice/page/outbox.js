// Talk that the server has not acknowledged yet. Each text has a random key, so that sending it
// again after a broken connection says nothing twice; it outlives a reload of the page, too.

import {forTab, random} from './keep.js';

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
