// What is typed besides talk: completions, and commands in the words of the terminal client.

import {TABLE, TYPES} from './commands.js';  // made by the server from its table of commands
import {sentence} from './composer.js';
import {findEmoji} from './entryactions.js';
import {DEEDS} from './talk.js';

const MOST = 8;

// What fits the text before the cursor: {from, items: [{insert, label, hint}]}, or null. `asked`
// is true when the user pressed Tab; then a bare word is completed as a name, too. `allowed` has the
// commands of the server that the user may give; null: all.
export function complete(before, {people, rooms, allowed = null}, asked = false) {
  const command = /^\/([a-z]*)$/i.exec(before);
  if (command) return found(0, commands(command[1], allowed));
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

function commands(word, allowed) {
  const wanted = word.toLowerCase();
  return COMMANDS.filter((name) => name.startsWith(wanted) && (OWN[name] || !allowed || allowed.has(name)))
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

// Requests that mean nothing on a line, or whose words are secret.
const NOT_TYPED = new Set(['hello', 'get', 'put', 'link', 'login', 'signup', 'password', 'typing', 'read', 'skip', 'say',
  'history', 'backup']);

// Commands of the page alone.
const OWN = {
  go: '[ROOM] #POSITION: shows that entry',
  reply: '#POSITION TEXT: replies to an entry',
  settings: 'shows what you can choose',
};

const COMMANDS = [...Object.keys(TABLE).filter((name) => !NOT_TYPED.has(name)), ...Object.keys(OWN)].sort();

function explain(name) {
  const {usage, help} = TABLE[name] ?? {};
  return OWN[name] ?? (usage ? `${usage}: ${help}` : help);
}

// The request of a command: {fields}; or {wrong: a sentence}.
export function requestOf(name, rest, room) {
  if (!COMMANDS.includes(name)) return {wrong: `There is no command /${name}; / and Tab list those there are.`};
  const {args, here} = TABLE[name];
  const fields = here ? {room} : {};
  for (const arg of args) {
    const [value, left] = take(TYPES[arg.type], rest);
    if (value) fields[arg.name] = valueOf(TYPES[arg.type], value);
    else if (!arg.optional) return {wrong: `/${name} ${explain(name)}`};
    rest = left;
  }
  return {fields};
}

// The word of an argument, and what is left. A word of another type belongs to the argument behind it.
function take({pattern, mark, greedy, json}, rest) {
  const [, first, left] = greedy ? [null, rest, ''] : splitWord(rest);
  const word = json === 'int' && /^\d/.test(first) ? `${mark}${first}` : first;
  return new RegExp(`^(?:${pattern})$`, 's').test(word) ? [word, left] : ['', rest];
}

function valueOf({mark, json}, word) {
  if (json === 'bool') return word === 'on';
  const bare = word.slice(mark.length);
  return json === 'int' ? Number(bare) : bare;
}

const splitWord = (text) => /^(\S*)\s*([^]*)$/.exec(text);

const DONE = 'Done.';

// An answer as {text, rows}: a sentence, and a table if the answer has a list.
function readable(answer) {
  const {event, id, text, lines, ...rest} = answer;
  if (lines) return {text: lines.join('\n'), rows: []};
  const list = Object.values(rest).find((value) => Array.isArray(value) && value.length);
  const plain = Object.entries(rest).filter(([, value]) => ['string', 'number'].includes(typeof value)
    && value !== '');
  const facts = plain.map(([name, value]) => `${name}: ${value}`).join('\n');
  const rows = (list ?? []).map((row) => (typeof row === 'object' ? row : {name: row}));
  return {text: text || facts || (rows.length ? '' : DONE), rows};
}

export default {
  // A wrong line goes back to where it was typed.
  command(line, room) {
    const [, name, rest] = splitWord(line.trim().slice(1)).map((word) => word.trim());
    const own = OWN_DEEDS[name.toLowerCase()];
    const {wrong, fields} = own ? {} : requestOf(name.toLowerCase(), rest, room.name);
    if (wrong) this.tell(wrong);
    if (wrong || own?.(this, rest, room) === false) this.typeAgain(line);
    else if (fields) this.run(name.toLowerCase(), fields, room);
  },

  async run(name, fields, room) {
    try {
      const answer = readable(await this.session.request(name, fields));
      // Everybody is told of that, also who did it.
      if (name === 'topic' && fields.text || name in DEEDS && answer.text === DONE) return;
      this.state.note(room, {kind: 'answer', ...answer});
    } catch (error) {
      this.state.note(room, {kind: 'answer', text: sentence(error), rows: []});
    }
    this.bell.ring('talk', 'people');
  },
};

// "#42 words" as [42, 'words']; without a position, [0, all].
function position(rest) {
  const match = /^#?(\d+)(?:\s+([^]*))?$/.exec(rest);
  return match ? [Number(match[1]), match[2] ?? ''] : [0, rest];
}

const words = (rest) => splitWord(rest).slice(1);

const OWN_DEEDS = {
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
    if (!rest) return false;
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
