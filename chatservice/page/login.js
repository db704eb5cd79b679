// The first screen: a name, and a password if the name is registered.

import {el} from './dom.js';
import {field, submits} from './overlay.js';
import {forGood} from './keep.js';

const NEEDS_PASSWORD = new Set(['password-needed', 'wrong-password', 'name-taken']);

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
      src: 'static/icon.svg', alt: '', width: 56, height: 56}), el('h1', {}, title),
    el('p.lead', {}, 'Rooms, private talk and files. Nothing to install.'), this.#form));
    submits(this.#form, this.#button, this.#problem, (values) => this.#submit(values, enter));
  }

  #makeForm() {
    const name = field('Your name', 'name', {required: true, maxlength: 32, autocomplete: 'username',
      autocapitalize: 'off', spellcheck: 'false', dir: 'auto', value: forGood.get('name') ?? ''});
    const toggle = el('button.link', {type: 'button', onclick: () => this.#showPassword(toggle)},
      'I have a password');
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
    this.#button.classList.add('busy');
    enter({name: values.name.trim(), password: values.password, stay: values.stay === 'on',
      signup: values.signup === 'on' && !this.#secret.hidden, code: values.code});
  }

  // The server did not let the user in, for that reason.
  refused(error) {
    this.#button.classList.remove('busy');
    this.#problem.textContent = error.message;
    if (NEEDS_PASSWORD.has(error.code)) this.#showPassword();
    if (error.code === 'bad-code') this.#code.hidden = false;
  }

  waiting() {
    this.#button.classList.remove('busy');
    this.#problem.textContent = 'The server does not answer yet. Still trying…';
  }

  focus() {
    const [name] = this.#form.elements;
    (name.value && !this.#secret.hidden ? this.#form.elements.password : name).focus();
  }
}
