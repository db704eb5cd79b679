// Search, pinned messages and files: the views of `Panel` (sidebar.js) besides people.

import {el, icon, iconButton, reconcile, shortTime, size} from './dom.js';
import {isPicture, picture, resultRow} from './talk.js';

// Each makes {element, begin(words)} for a room; `begin` is called when the element is shown.
export const VIEWS = {
  search: (app, room) => {
    search ??= new SearchView(app);
    return {element: search.turn(room), begin: (words) => search.begin(words)};
  },
  files: (app, room) => ({element: filesOf(app, room)}),
  pins: (app, room) => ({element: pinsOf(app, room)}),
};

let search = null;  // one for the page: it keeps what was typed

class SearchView {
  #input;
  #everywhere = el('input', {type: 'checkbox', onchange: () => this.#start()});
  #results = el('ol.results', {'aria-label': 'Results'});
  #state = el('p.hint', {role: 'status'});
  #more = el('button.plain', {hidden: true, onclick: () => this.#find()}, 'Older ones');
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
      this.#input.focus();
    };
    return el('.chips', {role: 'group', 'aria-label': 'Filters'},
      ['from:', 'has:file', 'after:7d', 'before:'].map((text) =>
        el('button.chip', {onclick: add(text)}, text)));
  }

  turn(room) {
    this.room = room;
    this.#clear('Search what was said in this room. A filter stands among the words.');
    return this.element;
  }

  // Let the user type; words of the command are searched for at once.
  begin(words) {
    this.#input.focus();
    if (!words) return;
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
  const more = el('button.plain', {hidden: true, onclick: () => read()}, 'More');
  let last;
  const read = async () => {
    try {
      const answer = await app.session.request('files', {room: room.isPrivate ? '@' : room.name, after: last});
      last = answer.files.at(-1)?.name;
      more.hidden = !answer.more;
      hint.textContent = answer.count ? `${answer.count} file${answer.count > 1 ? 's' : ''}, ${size(answer.bytes)}`
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
    el('button.link', {dir: 'auto', onclick: () => app.download(room, {...file, kind: 'file'})}, file.name),
    el('small', {dir: 'auto'}, [size(file.size), file.from, when].filter(Boolean).join(' · '))),
  iconButton('more', `More about ${file.name}`, ({currentTarget}) => app.fileMenu(currentTarget, room, file)));
}
