// The row of one entry of a log.

import {avatar} from './avatar.js';
import {el, icon} from './dom.js';
import {clock, hue, listed, shortClock, size, wholeTime} from './format.js';
import {richText} from './richtext.js';
import {preview} from './preview.js';
import {mentions} from './state.js';

const SYSTEM = new Set(['topic', 'removed', 'gone']);

// Whether the entry is news of the room, to which nobody replies or reacts.
export const isSystem = ({kind}) => SYSTEM.has(kind);

// `grouped`: the row above is of the same user, so the name stands there.
export function entryRow(app, room, entry, grouped) {
  if (isSystem(entry)) return systemRow(room, entry);
  const head = grouped ? null : headOf(entry);
  const row = el(classesOf(app, entry, grouped), {role: 'article', tabindex: -1, id: rowId(entry),
    'aria-label': `${entry.from}, ${clock(entry.time)}`},
  el('.gutter', {}, grouped ? time(entry, shortClock) : avatar(entry.from)),
  el('.body', {}, head, quoteOf(app, room, entry), contentOf(app, room, entry), reactionsOf(app, room, entry)));
  row.entry = entry;
  return row;
}

export const rowId = ({seq}) => `entry-${seq}`;

function classesOf(app, entry, grouped) {
  const forMe = !app.state.isMe(entry.from) && entry.text && mentions(entry.text, app.state.me);
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
  const words = quote ? [el('strong', {dir: 'auto'}, quote.from), el('span', {dir: 'auto'}, quote.text)]
    : [el('span', {}, 'a message that is gone')];
  return el('button.quote', {type: 'button', 'aria-label': `In reply to ${quote?.from ?? 'a message'}`,
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
    el('button.link.file-name', {type: 'button', dir: 'auto', title: `Download ${entry.name}`,
      onclick: () => app.download(room, entry)}, entry.name),
    el('small', {}, size(entry.size), entry.version > 1 && ` · version ${entry.version}`)));
}

function reactionsOf(app, room, entry) {
  if (!entry.reactions?.length) return null;
  return el('.reactions', {}, entry.reactions.map(({word, total, names}) => {
    const mine = names.some((name) => app.state.isMe(name));
    const who = listed(names, 10) + (total > names.length ? ` and ${total - names.length} more` : '');
    return el(mine ? 'button.reaction.mine' : 'button.reaction', {type: 'button', title: who,
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
export function pendingRow(app, item, online) {
  const note = item.error ? [el('span.problem', {}, `Not sent: ${item.error}`),
    el('button.link', {type: 'button', onclick: () => app.session.retry(item)}, 'Try again'),
    el('button.link', {type: 'button', onclick: () => app.takeBack(item)}, 'Take back')]
    : [el('span', {}, online ? 'sending…' : 'waits for the connection')];
  return el('.row.pending', {role: 'article', tabindex: -1}, el('.gutter', {}, avatar(app.state.me)),
    el('.body', {}, el('.head', {}, el('span.name', {hue: hue(app.state.me)}, app.state.me)),
      richText(item.fields.text, ''), el('.pending-note', {}, note)));
}
