// The rows of a room's talk, in order: days, where the unread begins, entries, notes, what waits.

import {el} from './dom.js';
import {entryRow, pendingRow} from './entry.js';
import {dayKey, dayName} from './format.js';
import {noteRow} from './notes.js';
import {keyOf} from './state.js';

const TOGETHER = 5 * 60000;  // entries of one user within this time share a name
const TALK = new Set(['message', 'private', 'sent', 'file', 'sent-file']);

// Items for `reconcile`.
export function rowsOf(app, room) {
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
  return el('.beginning', {}, el('h2', {dir: 'auto'}, room.isPrivate ? name : `# ${name}`),
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
  return {key: entry.seq, stamp: `${entry.stamp}/${grouped}`,
    make: () => entryRow(app, room, entry, grouped)};
}

function pendingItem(app, item) {
  const {online} = app.session;
  return {key: item.key, stamp: `${item.error ?? ''}/${online}`, make: () => pendingRow(app, item, online)};
}
