// The panel at the right: people, search, pins or files.

import {el, icon, iconButton, reconcile} from './dom.js';
import {shortTime, size} from './format.js';
import {PeopleView} from './people.js';
import {isPicture, picture} from './preview.js';

const TITLES = {people: 'People', search: 'Search', files: 'Files', pins: 'Pinned'};

export class Panel {
  #title = el('h2');
  #body = el('.panel-body');
  #kind = null;
  #room = null;

  constructor(app) {
    this.app = app;
    this.people = new PeopleView(app);
    this.search = new SearchView(app);
    this.element = el('aside.panel', {'aria-label': 'People, search and files', hidden: true},
      el('header', {}, this.#title, iconButton('close', 'Close this panel', () => this.hide())), this.#body);
    this.element.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.hide();
    });
  }

  get kind() {
    return this.#kind;
  }

  show(kind) {
    this.#kind = kind;
    this.#title.textContent = TITLES[kind];
    this.element.hidden = false;
    this.#room = null;
    this.draw();
    if (kind === 'search') this.search.focus();
    else this.element.querySelector('header button').focus({preventScroll: true});
  }

  hide() {
    this.#kind = null;
    this.element.hidden = true;
    this.app.panelHidden();
  }

  draw() {
    const room = this.app.state.current;
    if (!this.#kind || !room) return;
    this.element.hidden = room.isPrivate && this.#kind === 'people';
    if (room !== this.#room) this.#turn(room);
    if (this.#kind === 'people') this.people.draw();
  }

  #turn(room) {
    this.#room = room;
    const body = {
      people: () => this.people.element,
      search: () => this.search.turn(room),
      files: () => filesOf(this.app, room),
      pins: () => pinsOf(this.app, room),
    }[this.#kind]();
    this.#body.replaceChildren(body);
    if (this.#kind === 'people') this.app.session.listPeople(room).catch(() => {});
  }
}

class SearchView {
  #input;
  #everywhere = el('input', {type: 'checkbox', onchange: () => this.#start()});
  #results = el('ol.results', {'aria-label': 'Results'});
  #state = el('p.hint', {role: 'status'});
  #more = el('button.plain', {type: 'button', hidden: true, onclick: () => this.#find()}, 'Older ones');
  #entries = [];

  constructor(app) {
    this.app = app;
    this.#input = el('input', {type: 'search', name: 'words', 'aria-label': 'Words to search for', dir: 'auto',
      placeholder: 'Words, from:anna, has:file', autocomplete: 'off'});
    this.element = el('.search-box', {}, el('form.form', {onsubmit: (event) => {
      event.preventDefault();
      this.#start();
    }}, this.#input, el('label.check', {}, this.#everywhere, 'In all rooms'), this.#filters()), this.#state,
    this.#results, this.#more);
  }

  #filters() {
    const add = (text) => () => {
      this.#input.value = `${this.#input.value.trim()} ${text}`.trim();
      this.focus();
    };
    return el('.chips', {role: 'group', 'aria-label': 'Filters'},
      ['from:', 'has:file', 'after:7d', 'before:'].map((text) =>
        el('button.chip', {type: 'button', onclick: add(text)}, text)));
  }

  turn(room) {
    this.room = room;
    this.#clear('Search what was said in this room. A filter stands among the words.');
    return this.element;
  }

  focus() {
    this.#input.focus();
  }

  // Search for these words, as the command does.
  run(words) {
    this.#input.value = words;
    this.#start();
  }

  #clear(words) {
    this.#entries = [];
    this.#more.hidden = true;
    this.#state.textContent = words;
    this.#draw();
  }

  #start() {
    this.#clear('Searching…');
    if (this.#input.value.trim()) this.#find();
  }

  async #find() {
    const everywhere = this.#everywhere.checked;
    try {
      const answer = await this.app.session.request('search', {room: everywhere ? '*' : this.room.name,
        text: this.#input.value, limit: 30, before: everywhere ? undefined : this.#entries.at(-1)?.seq});
      this.#entries.push(...answer.entries.reverse());
      this.#more.hidden = !answer.more || everywhere;
      this.#state.textContent = found(this.#entries.length, answer.more);
    } catch (error) {
      this.#state.textContent = error.message;
    }
    this.#draw();
  }

  #draw() {
    reconcile(this.#results, this.#entries.map((entry) => ({key: `${entry.room}/${entry.seq}`, stamp: '',
      make: () => resultRow(this.app, this.room, entry)})));
  }
}

function found(many, more) {
  if (!many) return 'Nothing found.';
  return `${many}${more ? ' newest' : ''} found`;
}

// An entry in a list: a press shows it in its talk.
export function resultRow(app, room, entry) {
  const place = entry.room && entry.room !== room.name ? ` in ${entry.room}` : '';
  return el('li', {}, el('button.result', {type: 'button', onclick: () => app.gotoPlace(entry.room ?? room.name,
    entry.seq)}, el('span.result-head', {}, el('strong', {dir: 'auto'}, entry.from),
    el('small', {}, `${place} ${shortTime(Date.parse(entry.time))}`)),
  el('span.result-text', {dir: 'auto'}, entry.text ?? entry.name)));
}

function pinsOf(app, room) {
  const list = el('ol.results', {'aria-label': 'Pinned'});
  const hint = el('p.hint', {role: 'status'}, 'Reading…');
  app.session.request('pins', {room: room.name}).then(({entries}) => {
    hint.textContent = entries.length ? '' : 'Nothing is pinned. Moderators pin a message from its menu.';
    list.append(...entries.reverse().map((entry) => resultRow(app, room, entry)));
  }, (error) => {
    hint.textContent = error.message;
  });
  return el('.pins', {}, hint, list);
}

function filesOf(app, room) {
  const list = el('ul.files', {'aria-label': 'Files'});
  const gallery = el('.gallery', {role: 'group', 'aria-label': 'Pictures'});
  const hint = el('p.hint', {role: 'status'}, 'Reading…');
  const more = el('button.plain', {type: 'button', hidden: true, onclick: () => read()}, 'More');
  let last;
  const read = async () => {
    try {
      const answer = await app.session.request('files', {room: room.isPrivate ? '@' : room.name, after: last});
      last = answer.files.at(-1)?.name;
      more.hidden = !answer.more;
      hint.textContent = answer.count ? `${answer.count} files, ${size(answer.bytes)}`
        : 'No files yet. Drop one anywhere on this page.';
      list.append(...answer.files.map((file) => fileRow(app, room, file)));
      gallery.append(...answer.files.filter(({name, sha256}) => isPicture(name) && sha256)
        .map((file) => picture(app, room, {...file, kind: 'file'})));
    } catch (error) {
      hint.textContent = error.message;
    }
  };
  read();
  return el('.files-box', {}, hint, gallery, list, more);
}

function fileRow(app, room, file) {
  const when = file.time ? shortTime(Date.parse(file.time)) : '';
  return el('li', {}, icon(isPicture(file.name) ? 'image' : 'file'), el('.file-words', {},
    el('button.link', {type: 'button', dir: 'auto', onclick: () => app.download(room, {...file, kind: 'file'})}, file.name),
    el('small', {dir: 'auto'}, [size(file.size), file.from, when].filter(Boolean).join(' · '))),
  iconButton('more', `More about ${file.name}`, ({currentTarget}) => app.fileMenu(currentTarget, room, file)));
}
