// Elements made from JavaScript. Text always becomes text nodes, so nothing from outside can
// become markup.

const SVG = 'http://www.w3.org/2000/svg';

// el('button.primary', {onclick}, 'Send'): an element with classes, properties and children.
export function el(spec, properties = {}, ...children) {
  const [tag, ...classes] = spec.split('.');
  const node = document.createElement(tag || 'div');
  if (classes.length) node.className = classes.join(' ');
  for (const [name, value] of Object.entries(properties)) set(node, name, value);
  node.append(...children.flat(Infinity).filter(shown));
  return node;
}

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

const PATHS = {
  menu: 'M4 6h16M4 12h16M4 18h16',
  people: 'M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20c.3-3.6 3-6 6.500-6s6.200 2.400 6.500 6M16 4.300a3.500 3.500 0 0 1 0 6.600M18 14.600c2 .8 3.300 2.700 3.500 5.400',
  search: 'M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM20 20l-4-4',
  file: 'M14 3H7a2 2 0 0 0-2 2v14a2 2 0 0 0 2 2h10a2 2 0 0 0 2-2V8zM14 3v5h5',
  files: 'M3 7a2 2 0 0 1 2-2h4l2 2.500h8a2 2 0 0 1 2 2V17a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2z',
  clip: 'M20 11.500l-8.300 8.300a5 5 0 0 1-7.100-7.100L13 4.300a3.400 3.400 0 0 1 4.800 4.800l-8.300 8.300a1.700 1.700 0 0 1-2.400-2.400l7.500-7.500',
  send: 'M5 12h13M12 5l7 7-7 7',
  reply: 'M9 7l-5 5 5 5M4 12h9a7 7 0 0 1 7 7',
  edit: 'M4 20l1-4.500L16.500 4a2.100 2.100 0 0 1 3 3L8.500 19zM14.500 6l3.500 3.500',
  smile: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM8.500 14.500c.8 1.200 2 2 3.500 2s2.700-.8 3.500-2M9 9.500v.1M15 9.500v.1',
  more: 'M5 12v.1M12 12v.1M19 12v.1',
  close: 'M6 6l12 12M18 6L6 18',
  down: 'M12 5v14M5 12l7 7 7-7',
  up: 'M12 19V5M5 12l7-7 7 7',
  plus: 'M12 5v14M5 12h14',
  pin: 'M9 3h6l-.5 6 3 3.500V14h-11v-1.500L9.500 9zM12 14v7',
  lock: 'M6 11h12v9H6zM8.500 11V8a3.500 3.500 0 0 1 7 0v3',
  gear: 'M12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM12 2.500v3M12 18.500v3M2.500 12h3M18.500 12h3M5.300 5.300l2.100 2.100M16.600 16.600l2.100 2.100M18.700 5.300l-2.100 2.100M7.400 16.600l-2.100 2.100',
  pause: 'M8 5v14M16 5v14',
  play: 'M7 4.500v15l12-7.500z',
  image: 'M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.500 9v.1',
  download: 'M12 4v11M7 11l5 5 5-5M4 20h16',
  sun: 'M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.400 1.400M17.600 17.600L19 19M19 5l-1.400 1.400M6.400 17.600L5 19',
  moon: 'M20 14.500A8.500 8.500 0 0 1 9.500 4a8.500 8.500 0 1 0 10.500 10.500z',
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
  return el('button.icon-button', {type: 'button', 'aria-label': label, title: label, onclick,
    ...more}, icon(name));
}
