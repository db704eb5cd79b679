// Rows that only this page shows: who came and went, what moderators did, answers to commands.

import {el, iconButton} from './dom.js';
import {clock, listed} from './format.js';

const MAKE = {presence, deed, out, renamed, answer};
const DEEDS = {kick: 'put out', ban: 'banned', unban: 'lifted the ban on', mute: 'muted', unmute: 'unmuted',
  freeze: 'froze the room', unfreeze: 'let everybody speak again', invite: 'invited',
  uninvite: 'took back the invitation of', op: 'made a moderator:', deop: 'took the role of moderator from',
  owner: 'gave the room to', close: 'closed the room', access: 'changed who may come in',
  slow: 'set slow mode', remove: 'removed the room'};

export function noteRow(app, note) {
  return el('.row.system.note', {}, el('.gutter'), el('.body', {}, MAKE[note.kind](note, app), ' ',
    note.kind !== 'answer' && el('time.time', {}, clock(note.time))));
}

function presence({came, left}) {
  const parts = [came.length && `${listed(came)} came in`, left.length && `${listed(left)} left`];
  return el('span', {dir: 'auto'}, parts.filter(Boolean).join(' · '));
}

function deed({event: {from, what, user, text}}) {
  const words = [from, DEEDS[what] ?? what, user].filter(Boolean).join(' ');
  return el('span', {dir: 'auto'}, text ? `${words}: ${text}` : words);
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
export function table(rows) {
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
