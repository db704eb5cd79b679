// Where one types: grows with the text, completes, and shows to what it replies. Then what becomes of
// the line: talk, a reply, an edit or a command in the words of the terminal client.

import {isLost} from './connection.js';
import {el, iconButton} from './dom.js';
import {findEmoji} from './entryactions.js';

export class Composer {
  #text;
  #bar = el('.composer-bar', {hidden: true});
  #out;
  #box;
  #list = el('ul.completions', {id: 'completions', role: 'listbox', 'aria-label': 'Completions', hidden: true});
  #found = null;
  #at = 0;
  #room = null;

  // `app` has submit(text), typing(), editLast(), pickEmoji, upload(files) and names().
  constructor(app) {
    this.app = app;
    this.#text = el('textarea', {rows: 1, dir: 'auto', enterkeyhint: 'send', 'aria-controls': 'completions',
      'aria-autocomplete': 'list', oninput: () => this.#changed(), onkeydown: (event) => this.#key(event),
      onpaste: (event) => this.#paste(event), onblur: () => setTimeout(() => this.#show(null), 150)});
    this.picker = el('input', {type: 'file', multiple: true, hidden: true, 'aria-label': 'Files to share',
      onchange: () => this.#picked()});
    this.#out = el('.composer-out', {hidden: true}, el('span', {}, 'You are not in this room.'),
      el('button.plain', {onclick: () => app.goInto(this.#room.name)}, 'Go in'));
    this.#box = el('.composer-box', {},
      iconButton('clip', 'Share files', () => this.picker.click()), this.picker, this.#text,
      iconButton('smile', 'Put in an emoji', ({currentTarget}) =>
        app.pickEmoji(currentTarget, (sign) => this.insert(sign))),
      iconButton('send', 'Send', () => this.#submit(), {class: 'icon-button send'}));
    this.element = el('.composer', {}, this.#list, this.#bar, this.#out, this.#box);
  }

  // Show the half-typed line of a room.
  draw(room) {
    if (room !== this.#room) {
      this.#room = room;
      this.#text.value = room.draft;
      this.#grow();
      this.#show(null);
    }
    const place = room.isPrivate ? `Message to ${room.name.slice(1)}` : `Message in ${room.name}`;
    this.#text.placeholder = place;
    this.#box.hidden = !room.joined;
    this.#out.hidden = room.joined;
    this.#text.setAttribute('aria-label', place);
    this.#drawBar(room);
  }

  #drawBar({about, editing}) {
    const entry = editing ?? about;
    this.#bar.hidden = !entry;
    if (!entry) return;
    const what = editing ? 'Editing' : `Reply to ${about.from}`;
    this.#bar.replaceChildren(el('strong', {}, what), el('span', {dir: 'auto'}, entry.text ?? entry.name),
      iconButton('close', 'Never mind', () => this.cancel()));
  }

  focus() {
    this.#text.focus();
  }

  get value() {
    return this.#text.value;
  }

  set value(text) {
    this.#text.value = text;
    this.#changed();
  }

  insert(text) {
    const {selectionStart: from, selectionEnd: to} = this.#text;
    this.#text.setRangeText(text, from, to, 'end');
    this.#changed();
    this.focus();
  }

  cancel() {
    if (this.#room.editing) this.value = '';
    this.#room.editing = this.#room.about = null;
    this.#drawBar(this.#room);
    this.focus();
  }

  #changed() {
    this.#room.draft = this.#text.value;
    this.#grow();
    if (this.#text.value && !this.#text.value.startsWith('/')) this.app.typing();
    this.#complete(false);
  }

  #grow() {
    this.#text.style.height = 'auto';
    this.#text.style.height = `${this.#text.scrollHeight}px`;
  }

  #complete(asked) {
    const before = this.#text.value.slice(0, this.#text.selectionStart);
    this.#show(complete(before, this.app.names(), asked));
    return this.#found;
  }

  #show(found) {
    this.#found = found;
    this.#at = 0;
    this.#list.hidden = !found;
    this.#text.toggleAttribute('data-completing', Boolean(found));
    if (found) this.#drawList();
    else this.#text.removeAttribute('aria-activedescendant');
  }

  #drawList() {
    this.#list.replaceChildren(...this.#found.items.map(({label, hint}, index) =>
      el('li', {role: 'option', id: `completion-${index}`, 'aria-selected': `${index === this.#at}`,
        onpointerdown: (event) => {
          event.preventDefault();
          this.#take(index);
        }}, el('strong', {dir: 'auto'}, label), hint && el('span', {}, hint))));
    this.#text.setAttribute('aria-activedescendant', `completion-${this.#at}`);
  }

  #take(index) {
    const {from, items} = this.#found;
    this.#text.setRangeText(items[index].insert, from, this.#text.selectionStart, 'end');
    this.#changed();
    this.#show(null);
  }

  #key(event) {
    if (event.isComposing) return;
    if (this.#found && this.#listKey(event.key)) event.preventDefault();
    else if (event.key === 'Tab' && !event.shiftKey && this.#tab()) event.preventDefault();
    else if (event.key === 'Enter' && !event.shiftKey && !event.altKey) {
      event.preventDefault();
      this.#submit();
    } else if (event.key === 'ArrowUp' && !this.#text.value) {
      event.preventDefault();
      this.app.editLast();
    } else if (event.key === 'Escape') this.cancel();
  }

  // Keys while completions are shown. Enter takes one only if an arrow chose it or it completes a
  // word, so that a finished line is sent at once.
  #listKey(key) {
    const many = this.#found.items.length;
    const step = {ArrowDown: 1, ArrowUp: -1}[key];
    if (step) {
      this.#at = (this.#at + step + many) % many;
      this.#drawList();
    } else if (key === 'Escape') this.#show(null);
    else if (key === 'Tab' || (key === 'Enter' && !this.#isWhole())) this.#take(this.#at);
    else return false;
    return true;
  }

  #isWhole() {
    const {from, items} = this.#found;
    const typed = this.#text.value.slice(from, this.#text.selectionStart).toLowerCase();
    return items[this.#at].insert.trim().toLowerCase() === typed;
  }

  // Tab completes a word; an empty line leaves the key to the browser, to move on.
  #tab() {
    const found = this.#complete(true);
    if (found?.items.length === 1) this.#take(0);
    return Boolean(found);
  }

  #submit() {
    const text = this.#text.value;
    if (!text.trim() && !this.#room.editing) return;
    if (this.app.submit(text) === false) return;
    this.value = '';
    this.#show(null);
    this.#drawBar(this.#room);
    this.focus();
  }

  #paste(event) {
    const files = [...event.clipboardData.files];
    if (!files.length) return;
    event.preventDefault();
    this.app.upload(files);
  }

  #picked() {
    this.app.upload([...this.picker.files]);
    this.picker.value = '';
  }
}

const MOST = 8;

// What fits the text before the cursor: {from, items: [{insert, label, hint}]}, or null. `asked`
// is true when the user pressed Tab; then a bare word is completed as a name, too.
function complete(before, {people, rooms}, asked = false) {
  const command = /^\/([a-z]*)$/i.exec(before);
  if (command) return found(0, commands(command[1]));
  const word = /(?:^|\s)(\S+)$/.exec(before)?.[1] ?? '';
  const from = before.length - word.length;
  if (/^:[a-z+_-]{2,}$/i.test(word)) return found(from, emoji(word.slice(1)));
  if (/^#\S/.test(word)) return found(from, named(rooms, word.slice(1), '#'));
  if (/^@/.test(word)) return found(from, named(people, word.slice(1), '@'));
  return asked && word ? found(from, named(people, word, '', from === 0 ? ': ' : ' ')) : null;
}

function found(from, items) {
  return items.length ? {from, items: items.slice(0, MOST)} : null;
}

function commands(word) {
  const wanted = word.toLowerCase();
  return COMMANDS.filter((name) => name.startsWith(wanted))
    .map((name) => ({insert: `/${name} `, label: `/${name}`, hint: explain(name)}));
}

function emoji(word) {
  return findEmoji(word).map(({emoji: sign, names}) =>
    ({insert: `${sign} `, label: sign, hint: names[0]}));
}

function named(names, word, sign, behind = ' ') {
  const wanted = word.toLowerCase();
  return names.filter((name) => name.toLowerCase().startsWith(wanted)).sort()
    .map((name) => ({insert: `${sign}${name}${behind}`, label: `${sign}${name}`, hint: ''}));
}

// Each command: what follows it, and what it does. `room` is the current one and is not typed;
// `name?` may be left out; `text*` takes the rest of the line; `position` may have a `#`.
const TABLE = {
  access: ['room access password?', 'who may come in: public, hidden or invited'],
  accounts: ['filter?', 'lists accounts (operators)'],
  account: ['name password?', 'registers a name for somebody (operators)'],
  away: ['text*?', 'says that you are away; without a reason, that you are back'],
  ban: ['room user time? text*?', 'keeps a user out of the room'],
  broadcast: ['text*', 'tells everybody something (operators)'],
  cancel: ['name*', 'ends a transfer'],
  close: ['room', 'puts everybody out and closes the room'],
  code: ['', 'makes an invitation code (operators)'],
  deop: ['room user', 'takes a moderator their role'],
  destroy: ['room!', 'removes a room for good (operators)'],
  edits: ['room position', 'shows the former texts of an entry'],
  freeze: ['room', 'lets only moderators speak'],
  help: ['command?', 'explains a command of the server'],
  ignore: ['user', 'hides what a user says; once more shows it'],
  invite: ['room user', 'invites a user into the room'],
  kick: ['room user text*?', 'puts a user out of the room'],
  mute: ['room user time? text*?', 'silences a user'],
  nick: ['name', 'takes another name'],
  op: ['room user', 'makes a user a moderator'],
  operator: ['name off?', 'makes a user an operator (operators)'],
  operators: ['', 'lists the operators'],
  owner: ['room user', 'gives the room to another user'],
  pin: ['room position', 'pins an entry'],
  react: ['room position word', 'reacts to an entry'],
  record: ['room', 'shows what moderators did'],
  remove: ['room name*', 'removes a file of yours'],
  reset: ['name password?', 'gives an account another password (operators)'],
  revoke: ['label', 'ends a token'],
  rules: ['room', 'shows who may come in and who is silenced'],
  seen: ['user?', 'tells when a user was here last'],
  slow: ['room seconds', 'sets the time from one message to the next'],
  status: ['', 'tells how the server is (operators)'],
  tokens: ['', 'lists your tokens'],
  token: ['label room!?', 'makes a token for a program'],
  topic: ['room text*', 'sets the topic'],
  transfers: ['', 'lists your transfers'],
  unban: ['room user', 'lets a user in again'],
  uncode: ['code', 'takes back an invitation code (operators)'],
  unfreeze: ['room', 'lets everybody speak again'],
  uninvite: ['room user', 'takes back an invitation'],
  unmute: ['room user', 'lets a user speak again'],
  unpin: ['room position', 'takes a pin off'],
  unregister: ['name', 'removes an account (operators)'],
  users: ['filter?', 'lists users (operators)'],
  versions: ['room name*', 'lists the versions of a file'],
};

// Commands that the page does itself; DEEDS has what they do.
const OWN = {
  create: '[ROOM] [PASSWORD]: makes a room',
  edit: '#POSITION TEXT: gives an entry another text; without a position, your last one',
  erase: '[#POSITION]: erases an entry of yours',
  files: 'lists the files of the room',
  go: '[ROOM] #POSITION: shows that entry',
  join: 'ROOM [PASSWORD]: goes into a room',
  leave: 'leaves the room',
  me: 'TEXT: says what you do',
  msg: 'USER [TEXT]: talks with one user alone',
  pins: 'shows what is pinned',
  quit: 'logs out',
  register: 'registers your name',
  reply: '#POSITION TEXT: replies to an entry',
  rooms: 'lists the rooms',
  search: 'WORDS: searches this room',
  settings: 'shows what you can choose',
  unread: '[#POSITION]: lets the room be unread from there',
  who: 'shows who is here',
};

const COMMANDS = [...Object.keys(TABLE), ...Object.keys(OWN)].sort();

function explain(name) {
  if (OWN[name]) return OWN[name];
  const [shape, does] = TABLE[name];
  const words = shape.split(' ').filter((word) => word && word !== 'room')
    .map((word) => (word.includes('?') ? `[${bare(word).toUpperCase()}]` : bare(word).toUpperCase()));
  return [...words, does].join(' ').replace(/^(.*[A-Z\]]) ([a-z])/, '$1: $2');
}

const bare = (word) => word.replace(/[?*!]/g, '');

// A typed line as {name, rest} if it is a command, {text} if it is talk. Two slashes say one.
export function parse(line) {
  if (line.startsWith('//')) return {text: line.slice(1)};
  const match = /^\/([a-z]+)(?:\s+([^]*))?$/i.exec(line);
  return match ? {name: match[1].toLowerCase(), rest: (match[2] ?? '').trim()} : {text: line};
}

// The request of a command: {do, fields}; or {wrong: a sentence}.
export function requestOf(name, rest, room) {
  if (!TABLE[name]) return {wrong: `There is no command /${name}; / and Tab list those there are.`};
  const fields = {};
  for (const word of TABLE[name][0].split(' ').filter(Boolean)) {
    if (word === 'room') {
      fields.room = room;
      continue;
    }
    const [value, left] = take(word, rest);
    if (!value && !word.includes('?')) return {wrong: `/${name} ${explain(name)}`};
    if (value) fields[bare(word)] = typed(bare(word), value);
    rest = left;
  }
  return {name, fields};
}

// A time is optional and looks like one; else the word belongs to the reason behind it.
function take(word, rest) {
  if (word.includes('*')) return [rest, ''];
  const [, first, left] = /^(\S*)\s*([^]*)$/.exec(rest);
  if (word === 'time?' && !/^\d+(s|m|min|h|d|w)/.test(first)) return ['', rest];
  return [first, left];
}

function typed(name, value) {
  if (name === 'position' || name === 'seconds') return Number(value.replace(/^#/, ''));
  return name === 'room' ? value.replace(/^#/, '') : value;
}

// An answer as {text, rows}: a sentence, and a table if the answer has a list.
function readable(answer) {
  const {event, id, text, lines, ...rest} = answer;
  if (lines) return {text: lines.join('\n'), rows: []};
  const list = Object.values(rest).find((value) => Array.isArray(value) && value.length);
  const plain = Object.entries(rest).filter(([, value]) => ['string', 'number'].includes(typeof value)
    && value !== '');
  const facts = plain.map(([name, value]) => `${name}: ${value}`).join('\n');
  const rows = (list ?? []).map((row) => (typeof row === 'object' ? row : {name: row}));
  return {text: text || facts || (rows.length ? '' : 'Done.'), rows};
}

export const sentence = (error) => (isLost(error)
  ? 'There is no connection at the moment; try again when it is back.' : error.message);

export const typedActions = {
  // Returns false if the line is to stay where it is.
  submit(line) {
    const room = this.state.current;
    if (room.editing) return this.finishEdit(room, line);
    const {name, rest, text} = parse(line);
    if (name) return this.command(name, rest, room);
    this.session.say(room, text, room.about ? {about: room.about.seq} : {});
    room.about = null;
    this.talk.toEnd();
    return true;
  },

  finishEdit(room, text) {
    const {seq} = room.editing;
    if (!text.trim()) {
      this.erase(room, room.editing);
      return false;
    }
    room.editing = null;
    this.attempt('edit', {room: room.name, position: seq, text});
    return true;
  },

  // A text that was refused goes back to where it was typed.
  takeBack(item) {
    this.session.discard(item);
    this.composer.value = item.fields.text;
    this.composer.focus();
  },

  command(name, rest, room) {
    const own = DEEDS[name];
    if (own) return own(this, rest, room) !== false;
    const {wrong, fields} = requestOf(name, rest, room.name);
    if (wrong) {
      this.tell(wrong);
      return false;
    }
    this.run(name, fields, room);
    return true;
  },

  async run(name, fields, room) {
    try {
      const answer = readable(await this.session.request(name, fields));
      // Everybody is told of a new topic, also who set it.
      if (name === 'topic') return;
      this.state.note(room, {kind: 'answer', ...answer});
    } catch (error) {
      this.state.note(room, {kind: 'answer', text: sentence(error), rows: []});
    }
    this.bell.ring('talk', 'people');
  },

  dismiss(note) {
    const room = this.state.current;
    room.notes = room.notes.filter(({id}) => id !== note.id);
    this.bell.ring('talk');
  },
};

// "#42 words" as [42, 'words']; without a position, [0, all].
function position(rest) {
  const match = /^#?(\d+)(?:\s+([^]*))?$/.exec(rest);
  return match ? [Number(match[1]), match[2] ?? ''] : [0, rest];
}

const words = (rest) => {
  const [, first, left] = /^(\S*)\s*([^]*)$/.exec(rest);
  return [first, left];
};

const DEEDS = {
  create(app, rest) {
    const [name, password] = words(rest);
    app.session.create(name, password).then((room) => app.open(room), (error) => app.tell(sentence(error)));
  },
  edit(app, rest, room) {
    const [seq, text] = /^#\d/.test(rest) ? position(rest) : [undefined, rest];
    app.attempt('edit', {room: room.name, position: seq, text});
  },
  erase(app, rest, room) {
    const [seq] = position(rest);
    app.attempt('erase', {room: room.isPrivate ? '@' : room.name, position: seq || undefined});
  },
  files: (app) => app.panel.show('files'),
  go(app, rest, room) {
    const [first, left] = words(rest);
    if (/^#?\d+$/.test(first)) app.goto(room, position(first)[0]);
    else if (first === 'unread') app.gotoUnread();
    else app.gotoPlace(first, position(left)[0]);
  },
  join(app, rest) {
    const [name, password] = words(rest.replace(/^#/, ''));
    if (!name) app.browse();
    else app.join(name, password);
  },
  leave: (app, rest, room) => app.leaveRoom(app.state.room(rest) ?? room),
  me(app, rest, room) {
    if (!rest || room.isPrivate) return false;
    app.session.act(room, rest);
    return true;
  },
  msg(app, rest) {
    const [name, text] = words(rest);
    if (!name) return app.newTalk();
    app.openTalk(name.replace(/^@/, ''));
    if (text) app.session.say(app.state.current, text);
    return true;
  },
  pins: (app) => app.panel.show('pins'),
  quit: (app) => app.session.leaveForGood(),
  register: (app) => app.account(),
  reply(app, rest, room) {
    const [about, text] = position(rest);
    if (!about || !text) return false;
    app.session.say(room, text, {about});
    return true;
  },
  rooms: (app) => app.browse(),
  search: (app, rest) => app.panel.show('search', rest),
  settings: (app) => app.settings(),
  unread(app, rest, room) {
    const [seq] = position(rest);
    if (seq) app.unreadFrom(room, {seq});
    else app.gotoUnread();
  },
  who: (app) => app.panel.show('people'),
};
