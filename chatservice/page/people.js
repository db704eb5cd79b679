// Who is in the room, at the right.

import {avatar} from './avatar.js';
import {el, reconcile} from './dom.js';
import {duration, shortTime} from './format.js';

export class PeopleView {
  #here = el('ul.people', {'aria-label': 'Here'});
  #gone = el('ul.people.gone', {'aria-label': 'Members who are not here'});
  #hereHead = el('h3');
  #goneHead = el('h3', {}, 'Not here');

  constructor(app) {
    this.app = app;
    this.element = el('.people-box', {}, this.#hereHead, this.#here, this.#goneHead, this.#gone);
  }

  draw() {
    const room = this.app.state.current;
    if (!room) return;
    const people = [...room.people.values()].sort((a, b) => a.name.localeCompare(b.name));
    this.#hereHead.textContent = `Here · ${people.length + room.morePeople}`;
    reconcile(this.#here, people.map((one) => this.#item(room, one)));
    const gone = room.members.filter(({name}) => !room.people.has(name.toLowerCase()));
    this.#goneHead.hidden = !gone.length;
    reconcile(this.#gone, gone.map((one) => this.#item(room, one)));
  }

  #item(room, person) {
    const note = noteOf(person);
    return {key: person.name, stamp: note, make: () => el('li', {}, el('button', {type: 'button',
      'aria-haspopup': 'menu', onclick: ({currentTarget}) => this.app.userMenu(currentTarget, room, person.name)},
    avatar(person.name), el('span.person', {}, el('span', {dir: 'auto'}, person.name,
      this.app.state.isMe(person.name) && el('small', {}, ' you')),
    note && el('small', {dir: 'auto'}, note))))};
  }
}

function noteOf({away, idle, here, time}) {
  if (here === false) return time ? `last here ${shortTime(Date.parse(time))}` : '';
  if (away) return `away: ${away}`;
  return idle ? `idle for ${duration(idle)}` : '';
}
