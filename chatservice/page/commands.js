// Commands typed with a slash, in the words of the terminal client, and the requests they make.

import {isLost} from './connection.js';

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

// Commands that the page does itself; main.js has what they do.
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

export const COMMANDS = [...Object.keys(TABLE), ...Object.keys(OWN)].sort();

export function explain(name) {
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
export function readable(answer) {
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
