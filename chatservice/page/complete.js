// Completion of what stands before the cursor: commands, names, rooms, emoji.

import {COMMANDS, explain} from './commands.js';
import {findEmoji} from './emoji.js';

const MOST = 8;

// What fits the text before the cursor: {from, items: [{insert, label, hint}]}, or null. `asked`
// is true when the user pressed Tab; then a bare word is completed as a name, too.
export function complete(before, {people, rooms}, asked = false) {
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
