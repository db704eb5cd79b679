// The talk of the current room: scrolls without moving under the reader, reads older entries as
// one scrolls up, and knows when the newest one is in sight.

import {el, icon, iconButton, reconcile} from './dom.js';
import {isSystem, rowId} from './entry.js';
import {rowsOf} from './rows.js';

const NEAR = 700;   // pixels from the top at which older entries are read
const AT_END = 60;  // pixels from the bottom that still count as the end

export class TalkView {
  #log;
  #rows = el('.rows');
  #down;
  #up;
  #tools;
  #room = null;
  #atEnd = true;
  #wanted = null;  // {room, seq} of an entry to show as soon as it is there

  // `app` has the actions on an entry; see main.js.
  constructor(app) {
    this.app = app;
    this.#log = el('.log', {role: 'log', 'aria-live': 'polite', 'aria-relevant': 'additions', tabindex: 0,
      onkeydown: (event) => this.#key(event)}, this.#rows);
    this.#log.addEventListener('scroll', () => this.#scrolled(), {passive: true});
    this.#rows.addEventListener('pointerover', ({target}) => this.#showTools(target));
    this.#rows.addEventListener('focusin', ({target}) => this.#showTools(target));
    this.#down = el('button.to-end', {type: 'button', hidden: true, onclick: () => this.toEnd()},
      icon('down'), el('span'));
    this.#up = el('button.to-unread', {type: 'button', hidden: true, onclick: () => app.gotoUnread()},
      icon('up'), 'First unread');
    this.#tools = this.#makeTools();
    this.element = el('.talk', {}, this.#log, this.#up, this.#down);
    // A picture that loads late, or a taller composer, must not push the newest talk out of sight.
    const sizes = new ResizeObserver(() => this.#atEnd && this.#scrollToEnd());
    sizes.observe(this.#rows);
    sizes.observe(this.#log);
  }

  draw(room) {
    const turned = room !== this.#room;
    if (turned) this.#turn(room);
    const anchor = turned ? null : this.#anchor();
    reconcile(this.#rows, rowsOf(this.app, room));
    if (this.#atEnd && room.live) this.#scrollToEnd();
    else if (anchor?.node.isConnected) this.#log.scrollTop += anchor.node.offsetTop - anchor.top;
    this.#log.setAttribute('aria-busy', `${this.app.session.isReading(room)}`);
    this.#drawDown(room);
    this.#reveal();
    this.#fill();
  }

  #turn(room) {
    this.#room = room;
    this.#atEnd = this.#wanted?.room !== room;
    this.#rows.replaceChildren();
    this.#rows.rows = new Map();
    this.#log.setAttribute('aria-label', `Talk in ${room.name}`);
  }

  // The first row in sight, and where it is: after a drawing it is to be there again.
  #anchor() {
    const {scrollTop} = this.#log;
    const node = [...this.#rows.children].find((row) => row.offsetTop + row.offsetHeight > scrollTop
      && row.entry);
    return node ? {node, top: node.offsetTop} : null;
  }

  #scrollToEnd() {
    this.#log.scrollTop = this.#log.scrollHeight;
  }

  get readsEnd() {
    return this.#atEnd && Boolean(this.#room?.live);
  }

  #scrolled() {
    const {scrollTop, scrollHeight, clientHeight} = this.#log;
    this.#atEnd = scrollHeight - scrollTop - clientHeight < AT_END;
    this.#drawDown(this.#room);
    this.#fill();
    if (this.readsEnd) this.app.seen();
  }

  // Read more where the end of what is loaded comes near.
  #fill() {
    const {scrollTop, scrollHeight, clientHeight} = this.#log;
    const {session} = this.app;
    if (!this.#room || !session.online) return;
    if (scrollTop < NEAR) session.loadOlder(this.#room).catch(() => {});
    if (scrollHeight - scrollTop - clientHeight < NEAR) session.loadNewer(this.#room).catch(() => {});
  }

  #drawDown(room) {
    this.#down.hidden = this.readsEnd || !room?.loaded;
    this.#drawUp(room);
    const {unread} = room;
    this.#down.lastChild.textContent = unread ? `${unread} new below` : 'Newest';
  }

  // The way to the first unread entry, until it was in sight.
  #drawUp(room) {
    const line = document.getElementById('unread-mark');
    const above = room.mark !== null && (!line || line.offsetTop < this.#log.scrollTop);
    if (line && !above) room.markSeen = true;
    this.#up.hidden = !above || room.markSeen || !room.loaded;
  }

  async toEnd() {
    this.#atEnd = true;
    if (!this.#room.live) await this.app.session.loadAround(this.#room);
    this.#scrollToEnd();
    this.#scrolled();
  }

  // Show the entry at a position once it is there.
  show(room, seq) {
    this.#wanted = {room, seq};
    this.#atEnd = false;
    if (room === this.#room) this.#reveal();
  }

  #reveal() {
    if (this.#wanted?.room !== this.#room) return;
    const row = document.getElementById(rowId(this.#wanted));
    if (!row) return;
    this.#wanted = null;
    this.#atEnd = false;
    row.scrollIntoView({block: 'center'});
    row.classList.add('shown');
    row.addEventListener('animationend', () => row.classList.remove('shown'), {once: true});
    row.focus({preventScroll: true});
  }

  // --- one entry and its keys

  #makeTools() {
    const act = (name) => ({currentTarget}) => this.app[name](this.#room, currentTarget.closest('.row').entry,
      currentTarget);
    return el('.tools', {role: 'toolbar', 'aria-label': 'This message'},
      iconButton('smile', 'React (+)', act('reactTo')), iconButton('reply', 'Reply (r)', act('replyTo')),
      iconButton('more', 'More', act('entryMenu'), {'aria-haspopup': 'menu'}));
  }

  #showTools(target) {
    const row = target.closest('.row');
    if (!row?.entry || isSystem(row.entry) || this.#tools.parentNode === row) return;
    row.append(this.#tools);
  }

  // Into the talk from the keyboard: the newest entry first.
  focus() {
    const rows = this.#selectable();
    (rows.at(-1) ?? this.#log).focus();
  }

  #selectable() {
    return [...this.#rows.children].filter((row) => row.entry);
  }

  #key(event) {
    const row = event.target.closest('.row');
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest('input, textarea')) return;
    const step = {ArrowDown: 1, j: 1, ArrowUp: -1, k: -1}[event.key];
    if (step) this.#move(event, row, step);
    else if (event.key === 'Escape') this.app.toComposer();
    else if (row?.entry && event.target === row) this.#act(event, row.entry, row);
  }

  #move(event, row, step) {
    event.preventDefault();
    const rows = this.#selectable();
    const at = row ? rows.indexOf(row) + step : rows.length - 1;
    if (at >= rows.length) this.app.toComposer();
    else rows[Math.max(0, at)]?.focus();
  }

  // The keys of the terminal client, for the selected entry.
  #act(event, entry, row) {
    const name = {r: 'replyTo', e: 'edit', '+': 'reactTo', c: 'copyText', x: 'erase', p: 'pin', o: 'openFile',
      g: 'gotoAbout', Enter: 'entryMenu'}[event.key];
    if (!name) return;
    event.preventDefault();
    this.app[name](this.#room, entry, row);
  }
}

export function header(app) {
  const name = el('h1', {dir: 'auto', tabindex: -1});
  const topic = el('button.topic', {type: 'button', dir: 'auto', onclick: () => app.setTopic()});
  const people = iconButton('people', 'Who is here', () => app.showPanel('people'));
  const element = el('header.bar', {},
    iconButton('menu', 'Rooms', () => app.openDrawer(), {class: 'icon-button narrow-only'}),
    el('.bar-words', {}, name, topic),
    iconButton('search', 'Search', () => app.showPanel('search')),
    iconButton('files', 'Files', () => app.showPanel('files')),
    people, iconButton('more', 'This room', ({currentTarget}) => app.roomMenu(currentTarget),
      {'aria-haspopup': 'menu'}));
  const draw = (room) => {
    name.textContent = room.isPrivate ? room.name.slice(1) : room.name;
    name.className = room.isPrivate ? 'private' : 'room';
    topic.textContent = room.isPrivate ? 'Between you two' : room.topic || 'Add a topic';
    topic.classList.toggle('empty', !room.topic);
    topic.disabled = room.isPrivate;
    people.hidden = room.isPrivate;
  };
  return {element, draw};
}
