// The talk of the current room, as rows: days, where the unread begins, entries, notes, what waits.

import {avatar, clock, dayKey, dayName, duration, el, hue, icon, iconButton, listed, reconcile, shortClock, shortTime, size, wholeTime} from './dom.js';
import {plainText, richText} from './markdown.js';
import {keyOf, mentions, mentionsAll} from './state.js';

const NEAR = 700;   // pixels from the top at which older entries are read
const AT_END = 60;  // pixels from the bottom that still count as the end
const SHOWN_TIME = 2400;  // milliseconds for which an entry that was asked for stands out

export class TalkView {
  #log;
  #rows = el('.rows');
  #down;
  #up;
  #tools;
  #room = null;
  #atEnd = true;
  #wanted = null;  // {room, seq} of an entry to show as soon as it is there

  // `app` has the session, and the actions on an entry.
  constructor(app) {
    this.app = app;
    this.#log = el('.log', {role: 'log', 'aria-live': 'polite', 'aria-relevant': 'additions', tabindex: 0,
      onkeydown: (event) => this.#key(event)}, this.#rows);
    this.#log.addEventListener('scroll', () => this.#scrolled(), {passive: true});
    this.#rows.addEventListener('pointerover', ({target}) => this.#showTools(target));
    this.#rows.addEventListener('focusin', ({target}) => this.#showTools(target));
    this.#down = el('button.to-end', {hidden: true, onclick: () => this.toEnd()},
      icon('down'), el('span'));
    this.#up = el('button.to-unread', {hidden: true, onclick: () => app.gotoUnread()},
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
    setTimeout(() => row.classList.remove('shown'), SHOWN_TIME);
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
  const topic = el('button.topic', {dir: 'auto', onclick: () => app.setTopic()});
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

const TOGETHER = 5 * 60000;  // entries of one user within this time share a name
const TALK = new Set(['message', 'private', 'sent', 'file', 'sent-file']);

// Items for `reconcile`.
function rowsOf(app, room) {
  const rows = [topRow(app, room)];
  const notes = room.live ? [...room.notes] : [];
  const walk = {day: '', above: null, marked: !reachesMark(room)};
  for (const entry of room.entries) {
    while (notes.length && notes[0].after < entry.seq) addNote(rows, app, room, notes.shift(), walk);
    addDay(rows, entry, walk);
    addMark(rows, app, room, entry, walk);
    rows.push(entryItem(app, room, entry, walk));
    walk.above = entry;
  }
  notes.forEach((note) => addNote(rows, app, room, note, walk));
  for (const item of app.session.outbox.of(room)) rows.push(pendingItem(app, item));
  return rows;
}

// Whether what is loaded reaches back to where the unread began; else its line would stand too low.
function reachesMark({mark, complete, entries}) {
  return mark !== null && (complete || entries[0]?.seq <= mark);
}

function topRow(app, room) {
  const kind = room.complete ? 'beginning' : app.session.isReading(room) ? 'reading' : 'more';
  return {key: 'top', stamp: `${kind}/${room.name}/${room.entries.length > 0}`,
    make: () => (kind === 'beginning' ? beginning(app, room) : el('.top', {}, kind === 'reading' ? 'Reading…' : ''))};
}

function beginning(app, room) {
  const name = room.isPrivate ? room.name.slice(1) : room.name;
  const words = room.isPrivate ? `What you and ${name} write here is between you two.`
    : 'Everything said here stays, for whoever comes later.';
  return el('.beginning', {}, el('h2', {dir: 'auto'}, room.isPrivate ? name : `#\u00a0${name}`),
    el('p', {}, room.entries.length ? 'This is where it began. ' : 'Nothing was said yet. Say hello. ', words));
}

function addNote(rows, app, room, note, walk) {
  rows.push({key: `note-${note.id}`, stamp: note.stamp, make: () => noteRow(app, note)});
  walk.above = null;
}

function addDay(rows, {time}, walk) {
  const day = dayKey(time);
  if (day === walk.day) return;
  Object.assign(walk, {day, above: null});
  const name = dayName(time);
  rows.push({key: `day-${day}`, stamp: name, make: () => el('.day', {}, el('span', {}, name))});
}

function addMark(rows, app, room, entry, walk) {
  if (walk.marked || entry.seq <= room.mark || app.state.isMe(entry.from)) return;
  Object.assign(walk, {marked: true, above: null});
  rows.push({key: 'mark', stamp: '', make: () => el('.mark', {id: 'unread-mark'}, el('span', {}, 'New'))});
}

function entryItem(app, room, entry, walk) {
  // An action names its user itself, so it needs no head.
  const grouped = entry.kind === 'action' || Boolean(walk.above) && TALK.has(entry.kind) && TALK.has(walk.above.kind)
    && keyOf(walk.above.from) === keyOf(entry.from) && entry.time - walk.above.time < TOGETHER
    && !entry.about && !entry.pinned;
  return {key: entry.seq, stamp: `${room.era}/${entry.stamp}/${grouped}`,
    make: () => entryRow(app, room, entry, grouped)};
}

function pendingItem(app, item) {
  const {online} = app.session;
  return {key: item.key, stamp: `${item.error ?? ''}/${online}`, make: () => pendingRow(app, item, online)};
}

const SYSTEM = new Set(['topic', 'removed', 'gone']);

// Whether the entry is news of the room, to which nobody replies or reacts.
const isSystem = ({kind}) => SYSTEM.has(kind);

// `grouped`: the row above is of the same user, so the name stands there.
function entryRow(app, room, entry, grouped) {
  if (isSystem(entry)) return systemRow(room, entry);
  const head = grouped ? null : headOf(entry);
  const row = el(classesOf(app, entry, grouped), {role: 'article', tabindex: -1, id: rowId(entry),
    'aria-label': `${entry.from}, ${clock(entry.time)}`},
  el('.gutter', {}, grouped ? time(entry, shortClock) : avatar(entry.from)),
  el('.body', {}, head, quoteOf(app, room, entry), contentOf(app, room, entry), reactionsOf(app, room, entry)));
  row.entry = entry;
  return row;
}

const rowId = ({seq}) => `entry-${seq}`;

function classesOf(app, entry, grouped) {
  const forMe = !app.state.isMe(entry.from) && entry.text
    && (mentions(entry.text, app.state.me) || mentionsAll(entry.text));
  return ['div.row', grouped && 'grouped', forMe && 'for-me', entry.pinned && 'pinned',
    entry.notice && 'notice'].filter(Boolean).join('.');
}

function headOf(entry) {
  return el('.head', {}, el('span.name', {dir: 'auto', hue: hue(entry.from)}, entry.from),
    entry.notice && el('span.tag', {}, 'notice'), time(entry),
    entry.pinned && el('span.tag', {}, icon('pin'), 'pinned'));
}

function time(entry, worded = clock) {
  return el('time.time', {datetime: new Date(entry.time).toISOString(), title: wholeTime(entry.time)},
    worded(entry.time));
}

function quoteOf(app, room, {about, quote}) {
  if (!about) return null;
  // The server tells the beginning; what is here has more of it.
  const text = room.find(about)?.text || quote?.text;
  const words = quote ? [el('strong', {dir: 'auto'}, quote.from), el('span', {dir: 'auto'}, plainText(text))]
    : [el('span', {}, 'a message that is gone')];
  return el('button.quote', {'aria-label': `In reply to ${quote?.from ?? 'a message'}`,
    onclick: () => app.goto(room, about)}, icon('reply'), words);
}

function contentOf(app, room, entry) {
  if (entry.kind === 'file' || entry.kind === 'sent-file') return fileOf(app, room, entry);
  const text = richText(entry.text, app.state.me);
  if (entry.kind === 'action') {
    text.classList.add('action');
    text.prepend(el('span.name', {dir: 'auto', hue: hue(entry.from)}, entry.from), ' ');
  }
  if (entry.edited) text.append(el('small.edited', {title: wholeTime(Date.parse(entry.edited.time))}, 'edited'));
  return text;
}

function fileOf(app, room, entry) {
  return el('.file', {}, preview(app, room, entry), el('.file-line', {}, icon('file'),
    el('button.link.file-name', {dir: 'auto', title: `Download ${entry.name}`,
      onclick: () => app.download(room, entry)}, entry.name),
    el('small', {}, size(entry.size), entry.version > 1 && ` · version ${entry.version}`)));
}

function reactionsOf(app, room, entry) {
  if (!entry.reactions?.length) return null;
  return el('.reactions', {}, entry.reactions.map(({word, total, names}) => {
    const mine = names.some((name) => app.state.isMe(name));
    const who = listed(names, 10) + (total > names.length ? ` and ${total - names.length} more` : '');
    return el(mine ? 'button.reaction.mine' : 'button.reaction', {title: who,
      'aria-pressed': `${mine}`, 'aria-label': `${word}, ${total}: ${who}`,
      onclick: () => app.react(room, entry, word)}, el('span', {dir: 'auto'}, word), `${total}`);
  }));
}

function systemRow(room, entry) {
  const words = {
    topic: () => (entry.text ? ['set the topic: ', el('em', {dir: 'auto'}, entry.text)] : ['removed the topic']),
    removed: () => ['removed the file ', el('em', {dir: 'auto'}, entry.name)],
    gone: () => ['– this message was erased'],
  }[entry.kind]();
  const row = el('.row.system', {role: 'article', tabindex: -1, id: rowId(entry)}, el('.gutter', {}),
    el('.body', {}, el('span', {dir: 'auto'}, entry.from), ' ', words, ' ', time(entry)));
  row.entry = entry;
  return row;
}

// A text that the server has not stored yet, or has refused.
function pendingRow(app, item, online) {
  const note = item.error ? [el('span.problem', {}, `Not sent: ${item.error}`),
    el('button.link', {onclick: () => app.session.retry(item)}, 'Try again'),
    el('button.link', {onclick: () => app.takeBack(item)}, 'Take back')]
    : [el('span', {}, online ? 'sending…' : 'waits for the connection')];
  return el('.row.pending', {role: 'article', tabindex: -1}, el('.gutter', {}, avatar(app.state.me)),
    el('.body', {}, el('.head', {}, el('span.name', {hue: hue(app.state.me)}, app.state.me)),
      richText(item.fields.text, ''), el('.pending-note', {}, note)));
}

const MAKE = {presence, deed, out, renamed, answer};
// What is told of each command; the user stands at the end, or for the %.
export const DEEDS = {kick: 'put out', ban: 'banned', unban: 'lifted the ban on', mute: 'muted', unmute: 'unmuted',
  freeze: 'froze the room', unfreeze: 'let everybody speak again', invite: 'invited',
  uninvite: 'took back the invitation of', op: 'made % a moderator', deop: 'took the role of moderator from',
  owner: 'gave the room to', close: 'closed the room', access: 'changed who may come in',
  slow: 'changed slow mode', remove: 'removed the room'};

function noteRow(app, note) {
  return el('.row.system.note', {}, el('.gutter'), el('.body', {}, MAKE[note.kind](note, app), ' ',
    note.kind !== 'answer' && el('time.time', {}, clock(note.time))));
}

function presence({came, left}) {
  const parts = [came.length && `${listed(came)} came in`, left.length && `${listed(left)} left`];
  return el('span', {dir: 'auto'}, parts.filter(Boolean).join(' · '));
}

function deed({event: {from, what, user, text}}) {
  const [before, after = ''] = (DEEDS[what] ?? what).split('%');
  const words = [from, before.trim(), user].filter(Boolean).join(' ') + after;
  const more = what === 'slow' ? `: ${duration(Number(text))}` : /^for /.test(text) ? ` ${text}` : text && `: ${text}`;
  return el('span', {dir: 'auto'}, words, more);
}

function out({event: {from, what, text}}) {
  const did = {kick: 'put you out of this room', ban: 'banned you from this room',
    close: 'closed this room'}[what] ?? 'let you leave this room';
  return el('span', {dir: 'auto'}, `${from} ${did}${text ? `: ${text}` : ''}`);
}

function renamed({from, name}) {
  return el('span', {dir: 'auto'}, `${from} is called ${name} from now on`);
}

function answer(note, app) {
  return el('.answer', {}, iconButton('close', 'Dismiss', () => app.dismiss(note)),
    note.text && el('pre', {dir: 'auto'}, note.text), note.rows?.length ? table(note.rows) : null);
}

// Rows of an answer, with its fields as columns.
function table(rows) {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return el('.scroll', {tabindex: 0, role: 'group', 'aria-label': 'Answer'}, el('table', {},
    el('thead', {}, el('tr', {}, columns.map((name) => el('th', {scope: 'col'}, name)))),
    el('tbody', {}, rows.map((row) => el('tr', {}, columns.map((name) =>
      el('td', {dir: 'auto'}, cell(row[name]))))))));
}

function cell(value) {
  if (value === true) return 'yes';
  if (value === false || value === null || value === undefined) return '';
  return Array.isArray(value) ? value.join(', ') : `${value}`;
}

// The ends of names that the server lets a browser show (`inline_type` in grammar/httpfields.py).
const PICTURES = /\.(png|jpe?g|gif|webp|avif|bmp)$/i;
const SOUNDS = /\.(mp3|ogg|oga|opus|wav|flac|m4a|aac)$/i;
const VIDEOS = /\.(mp4|webm|ogv|m4v|mov)$/i;
const BY_ITSELF = 5_000_000;  // bytes of a picture that is shown unasked
const MOST_KEPT = 40;

const kept = new Map();
const seen = new IntersectionObserver((all) => all.filter(({isIntersecting}) => isIntersecting)
  .forEach(({target}) => {
    seen.unobserve(target);
    target.show();
  }), {rootMargin: '300px'});

export const isPicture = (name) => PICTURES.test(name);

function preview(app, room, entry) {
  if (isPicture(entry.name)) return picture(app, room, entry);
  if (SOUNDS.test(entry.name)) return player('audio', app, room, entry);
  if (VIDEOS.test(entry.name)) return player('video', app, room, entry);
  return null;
}

// The address of a file's bytes. It stays good while it is used: a film is read in parts.
export async function address(app, room, {kind, name, version}, inline = false) {
  if (kind === 'sent-file') throw new Error('The file is with the user to whom you sent it.');
  const answer = await app.session.request('get', {room: room.isPrivate ? '@' : room.name, name,
    version: version || undefined});
  return `t/${answer.ticket}/${encodeURIComponent(name)}${inline ? '?inline' : ''}`;
}

export function picture(app, room, entry) {
  if (entry.kind === 'sent-file') return null;
  const box = el('button.picture', {'aria-label': `Picture ${entry.name}`, title: entry.name,
    onclick: () => (box.firstChild?.src ? app.lightbox(room, entry, box.firstChild.src) : box.show())});
  const label = () => el('span.picture-wait', {}, icon('image'), size(entry.size));
  box.append(label());
  box.show = async () => {
    try {
      const image = el('img', {alt: entry.name, src: await blobOf(app, room, entry)});
      await image.decode();
      box.replaceChildren(image);
    } catch {
      // Not a picture after all, or gone: its name below still fetches it.
      box.remove();
    }
  };
  if (entry.size <= BY_ITSELF) seen.observe(box);
  return box;
}

function blobOf(app, room, entry) {
  const key = `${room.key}/${entry.name}/${entry.version}/${entry.sha256}`;
  if (!kept.has(key)) kept.set(key, fetchBlob(app, room, entry));
  kept.get(key).catch(() => kept.delete(key));
  if (kept.size > MOST_KEPT) forgetOldest();
  return kept.get(key);
}

async function fetchBlob(app, room, entry) {
  const response = await fetch(await address(app, room, entry, true));
  if (!response.ok) throw new Error(response.statusText);
  return URL.createObjectURL(await response.blob());
}

// Only the address goes; a picture that is on the page keeps its bytes.
function forgetOldest() {
  const [key, url] = kept.entries().next().value;
  kept.delete(key);
  url.then(URL.revokeObjectURL, () => {});
}

function player(tag, app, room, entry) {
  if (entry.kind === 'sent-file') return null;
  const button = el('button.play', {'aria-label': `Play ${entry.name}`}, icon('play'),
    tag === 'audio' ? 'Listen' : 'Watch');
  button.addEventListener('click', async () => {
    try {
      const media = el(`${tag}.media`, {controls: true, src: await address(app, room, entry, true)});
      button.replaceWith(media);
      await media.play();
    } catch (error) {
      if (button.isConnected) app.tell(error.message);
    }
  });
  return button;
}

// An entry in a list: a press shows it in its talk.
export function resultRow(app, room, entry) {
  const place = entry.room && entry.room !== room.name ? ` in ${entry.room}` : '';
  return el('li', {}, el('button.result', {onclick: () => app.gotoPlace(entry.room ?? room.name,
    entry.seq)}, el('span.result-head', {}, el('strong', {dir: 'auto'}, entry.from),
    el('small', {}, `${place} ${shortTime(Date.parse(entry.time))}`)),
  el('span.result-text', {dir: 'auto'}, plainText(entry.text ?? entry.name))));
}
