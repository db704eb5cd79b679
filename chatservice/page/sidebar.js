// The lists beside the talk: rooms and private talks at the left, a panel at the right.

import {holdingKeys} from './composer.js';
import {LOGO, avatar, count, duration, el, iconButton, reconcile, shortTime} from './dom.js';

export class Sidebar {
  #rooms = el('ul.places', {'aria-label': 'Rooms'});
  #talks = el('ul.places', {'aria-label': 'Private talk'});
  #talksHead;
  #me;

  // `app` has state, title, open, browse, newTalk, account, settings and closeDrawers.
  constructor(app) {
    this.app = app;
    this.#me = el('button.me', {onclick: () => app.account()});
    this.#talksHead = this.#head('Private', 'Talk with somebody alone', () => app.newTalk());
    this.element = el('nav.side', {'aria-label': 'Rooms and private talk'},
      el('.brand', {}, el('img', {src: LOGO, alt: '', width: 28, height: 28}),
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
    const {unread, mentions, exact, joined} = room;
    return {
      key: room.key,
      stamp: [room.name, current, unread, mentions, exact, joined].join('/'),
      make: () => el('li', {}, this.#button(room, current)),
    };
  }

  #button(room, current) {
    const name = room.isPrivate ? room.name.slice(1) : room.name;
    const classes = ['place', room.unread && 'unread', !room.joined && 'out'].filter(Boolean);
    return el(`button.${classes.join('.')}`, {onclick: () => this.app.open(room),
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

class PeopleView {
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
    return {key: person.name, stamp: note, make: () => el('li', {}, el('button', {'aria-haspopup': 'menu', onclick: ({currentTarget}) => this.app.userMenu(currentTarget, room, person.name)},
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

const TITLES = {people: 'People', search: 'Search', files: 'Files', pins: 'Pinned'};

export class Panel {
  #title = el('h2');
  #body = el('.panel-body');
  #kind = null;
  #room = null;
  #words = null;  // to be searched for once the panel is there

  constructor(app) {
    this.app = app;
    this.people = new PeopleView(app);
    this.element = el('aside.panel', {'aria-label': 'People, search and files', hidden: true},
      el('header', {}, this.#title, iconButton('close', 'Close this panel', () => this.hide())), this.#body);
    this.element.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.hide();
    });
  }

  get kind() {
    return this.#kind;
  }

  // Show people, search, files or pins; `words` are searched for.
  show(kind, words = '') {
    this.#kind = kind;
    this.#words = words;
    this.#title.textContent = TITLES[kind];
    this.element.hidden = false;
    this.#room = null;
    this.draw();
    if (kind !== 'search') this.element.querySelector('header button').focus({preventScroll: true});
  }

  hide() {
    this.#kind = null;
    this.element.hidden = true;
    this.app.panelHidden();
  }

  draw() {
    const room = this.app.state.current;
    if (!this.#kind || !room) return;
    this.element.hidden = room.isPrivate && this.#kind === 'people';
    if (room !== this.#room) this.#turn(room);
    if (this.#kind === 'people') this.people.draw();
  }

  #turn(room) {
    this.#room = room;
    if (this.#kind === 'people') {
      this.#body.replaceChildren(this.people.element);
      this.app.session.listPeople(room).catch(() => {});
    } else this.#view(room, this.#kind);
  }

  async #view(room, kind) {
    await holdingKeys(async () => {
      const {VIEWS} = await this.app.part('panel');
      if (room !== this.#room || kind !== this.#kind) return;
      const {element, begin} = VIEWS[kind](this.app, room);
      this.#body.replaceChildren(element);
      if (this.#words !== null) begin?.(this.#words);
      this.#words = null;
    }).catch(() => this.hide());
  }
}
