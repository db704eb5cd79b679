// Where one types: grows with the text, completes, and shows to what it replies. Then what becomes of
// the line: talk, a reply or an edit. Commands are in typed.js.

import {isLost} from './connection.js';
import {el, iconButton} from './dom.js';

export class Composer {
  #text;
  #bar = el('.composer-bar', {hidden: true});
  #out;
  #box;
  #list = el('ul.completions', {id: 'completions', role: 'listbox', 'aria-label': 'Completions', hidden: true});
  #found = null;
  #at = 0;
  #room = null;
  #allowed = null;  // the commands that the user may give, asked for at the beginning of each

  // `app` has submit(text), typing(), editLast(), pickEmoji, upload(files), goInto, names(), allowed()
  // and part(name).
  constructor(app) {
    this.app = app;
    this.#text = el('textarea', {rows: 1, dir: 'auto', enterkeyhint: 'send', 'aria-controls': 'completions',
      'aria-autocomplete': 'list', oninput: () => this.#changed(), onkeydown: (event) => this.#key(event),
      onpaste: (event) => this.#paste(event), onblur: () => setTimeout(() => this.#show(null), 150)});
    this.picker = el('input', {type: 'file', multiple: true, hidden: true, 'aria-label': 'Files to share',
      onchange: () => this.#picked()});
    this.#out = el('.composer-out', {hidden: true}, el('span', {}, 'You are not in this room.'),
      el('button.plain', {onclick: () => app.goInto(this.#room.name)}, 'Go in'));
    this.#box = el('.composer-box', {},
      iconButton('clip', 'Share files', () => this.picker.click()), this.picker, this.#text,
      iconButton('smile', 'Put in an emoji', ({currentTarget}) =>
        app.pickEmoji(currentTarget, (sign) => this.insert(sign))),
      iconButton('send', 'Send', () => this.#submit(), {class: 'icon-button send'}));
    this.element = el('.composer', {}, this.#list, this.#bar, this.#out, this.#box);
  }

  // Show the half-typed line of a room.
  draw(room) {
    if (room !== this.#room) {
      this.#room = room;
      this.#text.value = room.draft;
      this.#grow();
      this.#show(null);
    }
    const place = room.isPrivate ? `Message to ${room.name.slice(1)}` : `Message in ${room.name}`;
    this.#text.placeholder = place;
    this.#box.hidden = !room.joined;
    this.#out.hidden = room.joined;
    this.#text.setAttribute('aria-label', place);
    this.#drawBar(room);
  }

  #drawBar({about, editing}) {
    const entry = editing ?? about;
    this.#bar.hidden = !entry;
    if (!entry) return;
    const what = editing ? 'Editing' : `Reply to ${about.from}`;
    this.#bar.replaceChildren(el('strong', {}, what), el('span', {dir: 'auto'}, entry.text ?? entry.name),
      iconButton('close', 'Never mind', () => this.cancel()));
  }

  focus() {
    this.#text.focus();
  }

  get value() {
    return this.#text.value;
  }

  set value(text) {
    this.#text.value = text;
    this.#changed();
  }

  insert(text) {
    const {selectionStart: from, selectionEnd: to} = this.#text;
    this.#text.setRangeText(text, from, to, 'end');
    this.#changed();
    this.focus();
  }

  cancel() {
    if (this.#room.editing) this.value = '';
    this.#room.editing = this.#room.about = null;
    this.#drawBar(this.#room);
    this.focus();
  }

  #changed() {
    this.#room.draft = this.#text.value;
    this.#grow();
    if (this.#text.value && !this.#text.value.startsWith('/')) this.app.typing();
    this.#complete(false).catch(() => {});
  }

  #grow() {
    this.#text.style.height = 'auto';
    this.#text.style.height = `${this.#text.scrollHeight}px`;
  }

  // Show what fits the text before the cursor. A word is taken at once if it was `asked` for, by Tab,
  // and nothing else fits.
  async #complete(asked) {
    const before = this.#before();
    if (!asked && !/(^\/|[@#:])\S*$/.test(before)) {
      this.#show(null);
      return;
    }
    if (before === '/') this.#allowed = this.app.allowed();
    const [{complete}, allowed] = await Promise.all([this.app.part('typed'), this.#allowed]);
    if (before !== this.#before()) return;  // more was typed meanwhile
    this.#show(complete(before, {...this.app.names(), allowed}, asked));
    if (asked && this.#found?.items.length === 1) this.#take(0);
  }

  #before() {
    return this.#text.value.slice(0, this.#text.selectionStart);
  }

  #show(found) {
    this.#found = found;
    this.#at = 0;
    this.#list.hidden = !found;
    this.#text.toggleAttribute('data-completing', Boolean(found));
    if (found) this.#drawList();
    else this.#text.removeAttribute('aria-activedescendant');
  }

  #drawList() {
    this.#list.replaceChildren(...this.#found.items.map(({label, hint}, index) =>
      el('li', {role: 'option', id: `completion-${index}`, 'aria-selected': `${index === this.#at}`,
        onpointerdown: (event) => {
          event.preventDefault();
          this.#take(index);
        }}, el('strong', {dir: 'auto'}, label), hint && el('span', {}, hint))));
    this.#text.setAttribute('aria-activedescendant', `completion-${this.#at}`);
  }

  #take(index) {
    const {from, items} = this.#found;
    this.#text.setRangeText(items[index].insert, from, this.#text.selectionStart, 'end');
    this.#changed();
    this.#show(null);
  }

  #key(event) {
    if (event.isComposing) return;
    if (this.#found && this.#listKey(event.key)) event.preventDefault();
    else if (event.key === 'Tab' && !event.shiftKey && this.#tab()) event.preventDefault();
    else if (event.key === 'Enter' && !event.shiftKey && !event.altKey) {
      event.preventDefault();
      this.#submit();
    } else if (event.key === 'ArrowUp' && !this.#text.value) {
      event.preventDefault();
      this.app.editLast();
    } else if (event.key === 'Escape') this.cancel();
  }

  // Keys while completions are shown. Enter takes one only if an arrow chose it or it completes a
  // word, so that a finished line is sent at once.
  #listKey(key) {
    const many = this.#found.items.length;
    const step = {ArrowDown: 1, ArrowUp: -1}[key];
    if (step) {
      this.#at = (this.#at + step + many) % many;
      this.#drawList();
    } else if (key === 'Escape') this.#show(null);
    else if (key === 'Tab' || (key === 'Enter' && !this.#isWhole())) this.#take(this.#at);
    else return false;
    return true;
  }

  #isWhole() {
    const {from, items} = this.#found;
    const typed = this.#text.value.slice(from, this.#text.selectionStart).toLowerCase();
    return items[this.#at].insert.trim().toLowerCase() === typed;
  }

  // Tab completes a word; where there is none, it is left to the browser, to move on.
  #tab() {
    const word = /\S$/.test(this.#before());
    if (word) this.#complete(true).catch(() => {});
    return word;
  }

  #submit() {
    const text = this.#text.value;
    if (!text.trim() && !this.#room.editing) return;
    if (this.app.submit(text) === false) return;
    this.value = '';
    this.#show(null);
    this.#drawBar(this.#room);
    this.focus();
  }

  #paste(event) {
    const files = [...event.clipboardData.files];
    if (!files.length) return;
    event.preventDefault();
    this.app.upload(files.map(pasted));
  }

  #picked() {
    this.app.upload([...this.picker.files]);
    this.picker.value = '';
  }
}

// Browsers call every picture on the clipboard image.png; one that hides the last is worth a name.
function pasted(file) {
  if (file.name.toLowerCase() !== 'image.png') return file;
  const now = new Date(Date.now() - new Date().getTimezoneOffset() * 60000).toISOString();
  return new File([file], `pasted-${now.slice(0, 23).replace(/\D/g, '-')}.png`, {type: file.type});
}

// Do `work`. Keys that are typed meanwhile go where it has put the focus by then.
export async function holdingKeys(work) {
  const held = [];
  const hold = (event) => {
    const {key, ctrlKey, metaKey, altKey, isComposing} = event;
    if (ctrlKey || metaKey || altKey || isComposing || key.length > 1 && key !== 'Enter') return;
    event.preventDefault();
    event.stopPropagation();
    held.push(key);
  };
  addEventListener('keydown', hold, true);
  try {
    return await work();
  } finally {
    removeEventListener('keydown', hold, true);
    held.forEach((key) => typeInto(document.activeElement, key));
  }
}

function typeInto(box, key) {
  if (key === 'Enter' && box.form) box.form.requestSubmit();
  else if (key === 'Enter' || typeof box.selectionStart !== 'number') {
    box.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true, cancelable: true}));
  } else {
    box.setRangeText(key, box.selectionStart, box.selectionEnd, 'end');
    box.dispatchEvent(new Event('input', {bubbles: true}));
  }
}

export const sentence = (error) => (isLost(error)
  ? 'There is no connection at the moment; try again when it is back.' : error.message);

export const lineActions = {
  // Returns false if the line is to stay where it is.
  submit(line) {
    const room = this.state.current;
    if (room.editing) return this.finishEdit(room, line);
    if (/^\/[a-z]/i.test(line)) {
      this.command(line, room);
      return true;
    }
    // Two slashes say one.
    this.session.say(room, line.replace(/^\/\//, '/'), room.about ? {about: room.about.seq} : {});
    room.about = null;
    this.talk.toEnd();
    return true;
  },

  finishEdit(room, text) {
    const {seq} = room.editing;
    if (!text.trim()) {
      this.erase(room, room.editing);
      return false;
    }
    room.editing = null;
    this.attempt('edit', {room: room.name, position: seq, text});
    return true;
  },

  // A text that was refused goes back to where it was typed.
  takeBack(item) {
    this.session.discard(item);
    this.typeAgain(item.fields.text);
  },

  typeAgain(text) {
    this.composer.value = text;
    this.composer.focus();
  },

  dismiss(note) {
    const room = this.state.current;
    room.notes = room.notes.filter(({id}) => id !== note.id);
    this.bell.ring('talk');
  },
};
