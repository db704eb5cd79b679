// The rooms and private talks at the left, with what is unread.

import {avatar} from './avatar.js';
import {el, icon, iconButton, reconcile} from './dom.js';
import {count} from './format.js';

export class Sidebar {
  #rooms = el('ul.places', {'aria-label': 'Rooms'});
  #talks = el('ul.places', {'aria-label': 'Private talk'});
  #talksHead;
  #me;

  // `app` has open, browse, newTalk, account, settings and closeDrawers.
  constructor(app) {
    this.app = app;
    this.#me = el('button.me', {type: 'button', onclick: () => app.account()});
    this.#talksHead = this.#head('Private', 'Talk with somebody alone', () => app.newTalk());
    this.element = el('nav.side', {'aria-label': 'Rooms and private talk'},
      el('.brand', {}, el('img', {src: 'static/icon.svg', alt: '', width: 28, height: 28}),
        el('strong', {dir: 'auto'}, app.title),
        iconButton('close', 'Close the list of rooms', () => app.closeDrawers(), {class: 'icon-button drawer-only'})),
      el('.side-scroll', {}, this.#head('Rooms', 'Find or make a room', () => app.browse()), this.#rooms,
        this.#talksHead, this.#talks),
      el('.side-foot', {}, this.#me, iconButton('gear', 'Settings', () => app.settings())));
  }

  #head(title, label, act) {
    return el('.side-head', {}, el('h2', {}, title), iconButton('plus', label, act));
  }

  draw() {
    const {state} = this.app;
    const {rooms, talks} = state.sorted();
    reconcile(this.#rooms, rooms.map((room) => this.#item(room)));
    reconcile(this.#talks, talks.map((room) => this.#item(room)));
    const name = state.me ?? '';
    this.#me.replaceChildren(avatar(name || '?'), el('span.me-name', {dir: 'auto'}, name,
      el('small', {}, state.registered ? 'Account' : 'Guest')));
    this.#me.setAttribute('aria-label', `${name}, your account`);
  }

  #item(room) {
    const current = room === this.app.state.current;
    const {unread, mentions, exact, joined, locked} = room;
    return {
      key: room.key,
      stamp: [room.name, current, unread, mentions, exact, joined, locked].join('/'),
      make: () => el('li', {}, this.#button(room, current)),
    };
  }

  #button(room, current) {
    const name = room.isPrivate ? room.name.slice(1) : room.name;
    const classes = ['place', room.unread && 'unread', !room.joined && 'out'].filter(Boolean);
    return el(`button.${classes.join('.')}`, {type: 'button', onclick: () => this.app.open(room),
      'aria-current': current ? 'page' : undefined},
    room.isPrivate ? avatar(name) : el('span.hash', {'aria-hidden': 'true'}, '#'),
    el('span.place-name', {dir: 'auto'}, name), badge(room));
  }
}

function badge({unread, mentions, exact}) {
  if (!unread) return null;
  const words = mentions ? `, ${mentions} for you` : '';
  const shown = mentions ? count(mentions) : count(unread, exact);
  return [el(mentions ? 'span.badge.for-you' : 'span.badge', {'aria-hidden': 'true'}, shown),
    el('span.unseen', {}, `${unread} unread${words}`)];
}

// The rooms of the server, to go into one or to make one.
export function roomList(app, close) {
  const list = el('ul.browse', {'aria-label': 'Rooms of the server'});
  const filter = el('input', {type: 'search', placeholder: 'Find a room, or name a new one',
    'aria-label': 'Find a room', dir: 'auto', oninput: () => draw(), onkeydown: ({key}) => {
      if (key === 'Enter' && filter.value.trim()) list.querySelector('button')?.click();
    }});
  const make = el('button.primary', {type: 'button', onclick: () => {
    close();
    app.createRoom(filter.value.trim());
  }}, icon('plus'), el('span', {}, 'New room'));
  const draw = () => {
    const wanted = filter.value.trim().toLowerCase();
    const rooms = app.state.listed.filter(({room, topic}) =>
      `${room} ${topic}`.toLowerCase().includes(wanted));
    reconcile(list, rooms.map((row) => ({key: row.room, stamp: '', make: () => browseRow(app, row, close)})));
  };
  draw();
  app.session.listRooms().then(draw, () => {});
  return el('.browse-box', {}, el('.browse-bar', {}, filter, make), list);
}

function browseRow(app, row, close) {
  const go = () => {
    close();
    app.goInto(row.room, row.locked);
  };
  return el('li', {}, el('button', {type: 'button', onclick: go},
    el('span.hash', {'aria-hidden': 'true'}, '#'),
    el('span.browse-words', {}, el('strong', {dir: 'auto'}, row.room),
      row.topic && el('small', {dir: 'auto'}, row.topic)),
    row.locked && icon('lock'), el('span.browse-count', {}, icon('people'), `${row.users}`,
      el('span.unseen', {}, ' users here'))));
}
