// Elements made from JavaScript, and times, sizes and colours as people read them. Text always
// becomes text nodes, so nothing from outside can become markup.

const SVG = 'http://www.w3.org/2000/svg';

// el('button.primary', {onclick}, 'Send'): an element with classes, properties and children.
export function el(spec, properties = {}, ...children) {
  const [tag, ...classes] = spec.split('.');
  const node = document.createElement(tag || 'div');
  if (tag === 'button') node.type = 'button';  // a form is sent only by a button that says so
  if (classes.length) node.className = classes.join(' ');
  for (const [name, value] of Object.entries(properties)) set(node, name, value);
  node.append(...children.flat(Infinity).filter(shown));
  return node;
}

// A name from the user's disk, with a sign for each character that is not seen or turns others
// around. What the server sends has none of them.
export const visible = (text) => text.replace(/[\p{Cc}\u2028-\u202e\u2066-\u2069]/gu, '\ufffd');

function shown(child) {
  return child !== null && child !== undefined && child !== false;
}

function set(node, name, value) {
  if (value === undefined || value === null || value === false) return;
  if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
  else if (name === 'hue') node.style.setProperty('--hue', value);
  else if (name === 'value') node.value = value;
  else node.setAttribute(name, value === true ? '' : value);
}

// Make the children of `parent` those of `items`, and reuse what is there. An item has a `key`, a
// `stamp` that changes when it looks different, and `make`, which returns its element.
export function reconcile(parent, items) {
  const old = parent.rows ?? new Map();
  const rows = new Map();
  let place = parent.firstChild;
  for (const item of items) {
    const row = rowOf(old.get(item.key), item);
    rows.set(item.key, row);
    if (row.node === place) place = place.nextSibling;
    else parent.insertBefore(row.node, place);
  }
  for (const [key, row] of old) if (rows.get(key)?.node !== row.node) row.node.remove();
  parent.rows = rows;
}

function rowOf(row, item) {
  return row && row.stamp === item.stamp ? row : {node: item.make(), stamp: item.stamp};
}

// The operator's logo, or the page's own.
export const LOGO = document.querySelector('link[rel=icon]')?.href;

const PATHS = {
  menu: 'M4 6h16M4 12h16M4 18h16',
  people: 'M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20c.3-3.6 3-6 6.5-6s6.2 2.4 6.5 6M16 4.3a3.5 3.5 0 0 1 0 6.6M18 14.6c2 .8 3.3 2.7 3.5 5.4',
  search: 'M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM20 20l-4-4',
  file: 'M14 3H7a2 2 0 0 0-2 2v14a2 2 0 0 0 2 2h10a2 2 0 0 0 2-2V8zM14 3v5h5',
  files: 'M3 7a2 2 0 0 1 2-2h4l2 2.5h8a2 2 0 0 1 2 2V17a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2z',
  clip: 'M20 11.5l-8.3 8.3a5 5 0 0 1-7.1-7.1L13 4.3a3.4 3.4 0 0 1 4.8 4.8l-8.3 8.3a1.7 1.7 0 0 1-2.4-2.4l7.5-7.5',
  send: 'M5 12h13M12 5l7 7-7 7',
  reply: 'M9 7l-5 5 5 5M4 12h9a7 7 0 0 1 7 7',
  edit: 'M4 20l1-4.5L16.5 4a2.1 2.1 0 0 1 3 3L8.5 19zM14.5 6l3.5 3.5',
  smile: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM8.5 14.5c.8 1.2 2 2 3.5 2s2.7-.8 3.5-2M9 9.5v.1M15 9.5v.1',
  more: 'M5 12v.1M12 12v.1M19 12v.1',
  close: 'M6 6l12 12M18 6L6 18',
  down: 'M12 5v14M5 12l7 7 7-7',
  up: 'M12 19V5M5 12l7-7 7 7',
  plus: 'M12 5v14M5 12h14',
  pin: 'M9 3h6l-.5 6 3 3.5V14h-11v-1.5L9.5 9zM12 14v7',
  lock: 'M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3',
  gear: 'M12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM12 2.5v3M12 18.5v3M2.5 12h3M18.5 12h3M5.3 5.3l2.1 2.1M16.6 16.6l2.1 2.1M18.7 5.3l-2.1 2.1M7.4 16.6l-2.1 2.1',
  pause: 'M8 5v14M16 5v14',
  play: 'M7 4.5v15l12-7.5z',
  image: 'M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.5 9v.1',
  download: 'M12 4v11M7 11l5 5 5-5M4 20h16',
};

// A line drawing of 24 by 24; the words beside it or a label say what it means.
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('class', `icon icon-${name}`);
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', PATHS[name]);
  svg.append(path);
  return svg;
}

export function iconButton(name, label, onclick, more = {}) {
  return el('button.icon-button', {'aria-label': label, title: label, onclick,
    ...more}, icon(name));
}

const CLOCK = new Intl.DateTimeFormat(undefined, {hour: '2-digit', minute: '2-digit'});
const DAY = new Intl.DateTimeFormat(undefined, {weekday: 'long', day: 'numeric', month: 'long'});
const WHOLE = new Intl.DateTimeFormat(undefined, {dateStyle: 'full', timeStyle: 'medium'});
const DATE = new Intl.DateTimeFormat(undefined, {day: 'numeric', month: 'short'});
const UNITS = ['bytes', 'kB', 'MB', 'GB', 'TB'];

export const clock = (time) => CLOCK.format(time);
// The same without AM and PM, for a narrow column.
export const shortClock = (time) => CLOCK.formatToParts(time)
  .filter(({type}) => type !== 'dayPeriod').map(({value}) => value).join('').trim();
export const wholeTime = (time) => WHOLE.format(time);

export function dayKey(time) {
  const date = new Date(time);
  return `${date.getFullYear()}-${date.getMonth()}-${date.getDate()}`;
}

export function dayName(time, now = Date.now()) {
  if (dayKey(time) === dayKey(now)) return 'Today';
  if (dayKey(time) === dayKey(now - 86400000)) return 'Yesterday';
  const day = DAY.format(time);
  const year = new Date(time).getFullYear();
  return year === new Date(now).getFullYear() ? day : `${day} ${year}`;
}

// The time of today, else the day; the year only if it is another one.
export function shortTime(time, now = Date.now()) {
  if (dayKey(time) === dayKey(now)) return clock(time);
  const year = new Date(time).getFullYear();
  return `${DATE.format(time)}${year === new Date(now).getFullYear() ? '' : ` ${year}`}, ${clock(time)}`;
}

export function size(bytes) {
  let unit = 0;
  let number = bytes;
  while (number >= 1000 && unit < UNITS.length - 1) [number, unit] = [number / 1000, unit + 1];
  return `${unit && number < 10 ? number.toFixed(1) : Math.round(number)} ${UNITS[unit]}`;
}

export function duration(seconds) {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

// A hue in degrees; the same name has the same one everywhere. Steps keep neighbours apart.
export function hue(name) {
  let sum = 7;
  for (const letter of name.toLowerCase()) sum = (sum * 31 + letter.codePointAt(0)) % 100003;
  return (sum % 24) * 15 + 5;
}

function initial(name) {
  return [...name][0].toUpperCase();
}

export function count(number, exact = true) {
  return number > 99 ? '99+' : `${number}${exact ? '' : '+'}`;
}

export function listed(names, most = 4) {
  const first = names.slice(0, most);
  const rest = names.length - first.length;
  if (rest) return `${first.join(', ')} and ${rest} more`;
  return first.length < 2 ? first.join('') : `${first.slice(0, -1).join(', ')} and ${first.at(-1)}`;
}

export function avatar(name) {
  return el('span.avatar', {hue: hue(name), 'aria-hidden': 'true'}, initial(name));
}
