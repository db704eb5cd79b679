// What lies above the page for a moment, dialogs, menus, short notices, and the first screen with its
// form.

import {forGood} from './connection.js';
import {LOGO, el, icon, iconButton} from './dom.js';

const TOAST_TIME = 6000;

const toasts = el('.toasts', {role: 'status', 'aria-live': 'polite'});

// A dialog covers everything outside of it, so notices are shown inside.
function placeToasts() {
  const place = document.querySelector('dialog[open]') ?? document.querySelector('.talk') ?? document.body;
  if (toasts.parentNode !== place) place.append(toasts);
}

export function toast(text) {
  placeToasts();
  [...toasts.children].find(({textContent}) => textContent === text)?.remove();
  const note = el('.toast', {dir: 'auto'}, el('span', {}, text),
    iconButton('close', 'Dismiss', () => note.remove()));
  toasts.append(note);
  setTimeout(() => note.remove(), TOAST_TIME + text.length * 40);
}

// A dialog with a title; Escape and a click outside close it. Returns `close`.
export function dialog(title, body, {wide = false, onclose} = {}) {
  const node = el(wide ? 'dialog.sheet.wide' : 'dialog.sheet', {'aria-label': title});
  const close = () => node.close();
  node.append(el('header', {}, el('h2', {}, title), iconButton('close', 'Close', close)),
    el('.sheet-body', {}, body));
  node.addEventListener('click', (event) => event.target === node && close());
  node.addEventListener('close', () => {
    if (node.contains(toasts)) placeToasts();
    node.remove();
    onclose?.();
  });
  document.body.append(node);
  node.showModal();
  return close;
}

// A form in a dialog. `fields` are those of `field`; `act(values)` may be refused, and its error
// is shown in the form.
export function ask(title, fields, label, act, {danger = false, text = ''} = {}) {
  const problem = el('p.problem', {role: 'alert'});
  const button = el(danger ? 'button.primary.danger' : 'button.primary', {type: 'submit'}, label);
  const form = el('form.form', {}, text && el('p', {}, text), fields, problem,
    el('.buttons', {}, el('button.plain', {onclick: () => close()}, 'Cancel'),
      button));
  const close = dialog(title, form);
  submits(form, button, problem, async (values) => {
    await act(values);
    close();
  });
  (form.querySelector('input, textarea, select') ?? button).focus();
}

// Run `act` with a form's values when it is sent, once at a time.
export function submits(form, button, problem, act) {
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    problem.textContent = '';
    button.disabled = true;
    try {
      await act(Object.fromEntries(new FormData(form)));
    } catch (error) {
      problem.textContent = error.message;
    } finally {
      button.disabled = false;
    }
  });
}

export function field(label, name, more = {}, hint = '') {
  return el('label.field', {}, el('span', {}, label), el('input', {name, ...more}),
    hint && el('small', {}, hint));
}

export function choice(label, name, options, value) {
  const made = options.map(([each, text]) => el('option', {value: each, selected: each === value},
    text));
  return el('label.field', {}, el('span', {}, label), el('select', {name}, made));
}

// A box at an element: Escape, a click elsewhere and `close` end it.
export function popover(anchor, body, label) {
  const node = el('.popover', {popover: 'auto', role: 'dialog', 'aria-label': label}, body);
  (anchor.closest('dialog') ?? document.body).append(node);
  node.addEventListener('toggle', ({newState}) => {
    if (newState !== 'closed') return;
    const inside = node.contains(document.activeElement) || document.activeElement === document.body;
    node.remove();
    if (inside && anchor.isConnected) anchor.focus();
  });
  node.showPopover();
  place(node, anchor.getBoundingClientRect());
  return () => node.isConnected && node.hidePopover();
}

function place(node, at) {
  const {offsetWidth: width, offsetHeight: height} = node;
  const below = at.bottom + 6 + height <= innerHeight || at.top < height + 12;
  const left = Math.min(Math.max(8, at.right - width), innerWidth - width - 8);
  const top = below ? Math.min(at.bottom + 6, innerHeight - height - 8) : at.top - height - 6;
  Object.assign(node.style, {left: `${left}px`, top: `${Math.max(8, top)}px`});
}

// A menu of [label, act, options]; the arrow keys move in it.
export function menu(anchor, label, items) {
  const close = popover(anchor, el('.menu', {role: 'menu', onkeydown: arrows}, items.filter(Boolean)
    .map(([text, act, {danger, icon: sign} = {}]) =>
      el(danger ? 'button.danger' : 'button', {role: 'menuitem', onclick: () => {
        close();
        act();
      }}, sign && icon(sign), text))), label);
  document.querySelector('.popover [role=menuitem]')?.focus();
}

function arrows(event) {
  const step = {ArrowDown: 1, ArrowUp: -1}[event.key];
  if (!step) return;
  event.preventDefault();
  const all = [...event.currentTarget.querySelectorAll('button')];
  const at = all.indexOf(document.activeElement);
  all[(at + step + all.length) % all.length].focus();
}

// The clipboard interface is missing on plain http; the old way still works there.
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const box = el('textarea.unseen', {'aria-hidden': 'true'});
    box.value = text;
    document.body.append(box);
    box.select();
    document.execCommand('copy');
    box.remove();
  }
  toast('Copied.');
}

const NEEDS_PASSWORD = new Set(['password-needed', 'wrong-password']);

export class LoginView {
  #form;
  #problem;
  #button;
  #secret;
  #signup;
  #code;

  // `enter({name, password, stay, signup, code})` tries to come in.
  constructor(title, enter) {
    this.#problem = el('p.problem', {role: 'alert'});
    this.#button = el('button.primary', {type: 'submit'}, 'Come in');
    this.#secret = this.#passwordFields();
    this.#form = this.#makeForm();
    this.element = el('main.login', {}, el('.login-card', {}, el('img.logo', {
      src: LOGO, alt: '', width: 56, height: 56}), el('h1', {}, title),
    el('p.lead', {}, 'Rooms, private talk and files. Nothing to install.'), this.#form));
    submits(this.#form, this.#button, this.#problem, (values) => this.#submit(values, enter));
  }

  #makeForm() {
    const name = field('Your name', 'name', {required: true, maxlength: 32, autocomplete: 'username',
      autocapitalize: 'off', spellcheck: 'false', dir: 'auto', value: forGood.get('name') ?? ''});
    const toggle = el('button.link', {onclick: () => this.#showPassword(toggle)},
      'Log in or register');
    this.toggle = toggle;
    return el('form.form', {}, name, this.#secret, this.#problem, this.#button,
      el('p.aside', {}, toggle));
  }

  #passwordFields() {
    this.#code = field('Invitation code', 'code', {autocomplete: 'off'}, 'If the server asks for one');
    this.#code.hidden = true;
    this.#signup = el('input', {type: 'checkbox', name: 'signup', onchange: ({target}) => {
      this.#code.hidden = !target.checked;
      this.#button.textContent = target.checked ? 'Register and come in' : 'Come in';
    }});
    return el('.secret', {hidden: true},
      field('Password', 'password', {type: 'password', autocomplete: 'current-password'}),
      el('label.check', {}, this.#signup, 'Register this name as mine'), this.#code,
      el('label.check', {}, el('input', {type: 'checkbox', name: 'stay', checked: true}),
        'Stay logged in on this device'));
  }

  #showPassword() {
    this.#secret.hidden = false;
    this.toggle.hidden = true;
    this.#secret.querySelector('input').focus();
  }

  async #submit(values, enter) {
    forGood.set('name', values.name.trim());
    this.#button.setAttribute('aria-disabled', 'true');
    enter({name: values.name.trim(), password: values.password, stay: values.stay === 'on',
      signup: values.signup === 'on' && !this.#secret.hidden, code: values.code});
  }

  // The server did not let the user in, for that reason.
  refused(error) {
    this.#button.removeAttribute('aria-disabled');
    this.#problem.textContent = error.message;
    if (NEEDS_PASSWORD.has(error.code)) this.#showPassword();
    if (error.code === 'bad-code') this.#code.hidden = false;
  }

  waiting() {
    this.#button.removeAttribute('aria-disabled');
    this.#problem.textContent = 'The server does not answer yet. Still trying…';
  }

  focus() {
    const [name] = this.#form.elements;
    (name.value && !this.#secret.hidden ? this.#form.elements.password : name).focus();
  }
}
