// One's account and settings.

import {Notifier} from './app.js';
import {sentence} from './composer.js';
import {Connection, applyTheme, forGood, preferences} from './connection.js';
import {el} from './dom.js';
import {ask, choice, copy, dialog, field} from './overlay.js';

export default {
  account() {
    const {me, registered} = this.state;
    const button = (text, act, danger) => el(danger ? 'button.plain.danger' : 'button.plain', {onclick: () => {
      close();
      act();
    }}, text);
    const common = [button('Take another name…', () => this.rename()), button('Away…', () => this.goAway())];
    const account = registered ? [button('Change the password…', () => this.changePassword()),
      button('Tokens for programs…', () => this.showTokens())]
      : [button('Register this name…', () => this.register())];
    const close = dialog(me, el('.stack', {}, el('p', {}, registered
      ? 'This name is yours, and your rooms are kept.'
      : 'You are a guest: the name is yours while you are here. Register it to keep it, and your rooms.'),
    account, common, button('Log out', () => this.session.leaveForGood(), true)));
  },

  register() {
    ask('Register this name', [
      field('Password', 'password', {type: 'password', required: true, autocomplete: 'new-password'}),
      field('Invitation code', 'code', {autocomplete: 'off'}, 'If the server asks for one')], 'Register',
    async ({password, code}) => {
      await this.session.request('register', {password, code: code || undefined});
      this.state.registered = true;
      this.session.who.password = password;
      this.bell.ring('rooms');
      this.tell('The name is yours now.');
    });
  },

  changePassword() {
    ask('Change the password', [
      field('Current password', 'old', {type: 'password', required: true, autocomplete: 'current-password'}),
      field('New password', 'next', {type: 'password', required: true, autocomplete: 'new-password'})], 'Change it',
    async ({old, next}) => {
      const fields = {old, new: next};
      await this.session.request('password', fields).catch((error) => {
        if (error.code !== 'not-allowed') throw error;
        return this.withPassword(old, 'password', fields);
      });
      if (!forGood.get('login')) this.session.who.password = next;
      (await this.part('push')).renew(this.session).catch(() => {});
      this.tell('The password is changed.');
    });
  },

  rename() {
    ask('Take another name', [field('Name', 'name', {required: true, maxlength: 32, value: this.state.me, dir: 'auto'})],
      'Take it', async ({name}) => {
        const answer = await this.session.request('nick', {name});
        this.state.me = answer.name;
        this.state.registered = answer.registered;
        this.bell.ring('all');
      });
  },

  goAway() {
    ask('Away', [field('Reason', 'text', {dir: 'auto'}, 'Empty: you are back')], 'Save', ({text}) =>
      this.session.request('away', {text: text || undefined}));
  },

  // A token changes no passwords and makes no tokens, so a page that came in with one makes such a
  // request on a connection of its own, with the password.
  withPassword(password, request, fields) {
    return new Promise((granted, refused) => {
      const connection = new Connection({
        opened: () => connection.request('hello', {name: this.state.me, password})
          .then(() => connection.request(request, fields)).then(granted, refused).finally(() => connection.stop()),
        closed() {
          connection.stop();
          refused(new Error('There is no connection at the moment; try again when it is back.'));
        },
        event() {},
      });
      connection.start();
    });
  },

  async showTokens() {
    const answer = await this.attempt('tokens', {});
    if (!answer) return;
    const row = ({label, room, time}) => el('li', {}, el('span', {dir: 'auto'}, label, el('small', {},
      ` ${room ? `for ${room}, ` : ''}since ${new Date(time).toLocaleDateString()}`)),
    el('button.link', {onclick: () => {
      close();
      this.revoke(label);
    }}, 'Revoke'));
    const close = dialog('Tokens for programs', el('.stack', {}, el('p', {}, 'A program logs in with a token in place of your '
      + 'password. A browser that stays logged in has one, too.'), el('ul.lines', {}, answer.tokens.map(row)),
    el('button.primary', {onclick: () => {
      close();
      this.makeToken();
    }}, 'New token')));
  },

  makeToken() {
    ask('A new token', [field('Label', 'label', {required: true, maxlength: 32}), field('Only for the room', 'room', {},
      'Empty: for everything'), field('Your password', 'password', {type: 'password', required: true})], 'Make it',
    async ({label, room, password}) => {
      const {token} = await this.withPassword(password, 'token', {label, room: room || undefined});
      dialog('Your token', el('.stack', {}, el('p', {}, 'It is shown only this once.'), el('code.secret-code', {}, token),
        el('button.primary', {onclick: () => copy(token)}, 'Copy')));
    });
  },

  revoke(label) {
    ask(`Revoke ${label}?`, [field('Your password', 'password', {type: 'password', required: true})], 'Revoke',
      async ({password}) => {
        await this.withPassword(password, 'revoke', {label});
      }, {danger: true, text: 'Programs and browsers that use it are logged out.'});
  },

  settings() {
    const {all} = preferences;
    const theme = choice('Colours', 'theme', [['auto', 'as the system'], ['light', 'light'], ['dark', 'dark']], all.theme);
    theme.querySelector('select').addEventListener('change', ({target}) => {
      preferences.set('theme', target.value);
      applyTheme();
    });
    dialog('Settings', el('.stack', {}, theme, this.typingSetting(), this.notifySetting(), this.pushSetting(),
      keys()));
  },

  typingSetting() {
    return check('Show who is typing, and that I am', preferences.all.typing, (on) => {
      preferences.set('typing', on);
      this.session.request('typing', {show: on}).catch((error) => this.tell(sentence(error)));
    });
  },

  notifySetting() {
    const possible = Notifier.possible();
    const box = check('Notify me of mentions and private talk', preferences.all.notify && possible, async (on, input) => {
      const allowed = on && await Notifier.permit();
      preferences.set('notify', allowed);
      input.checked = allowed;
      if (on && !allowed) this.tell('The browser does not allow it.');
    });
    box.querySelector('input').disabled = !possible;
    return possible ? box : [box, el('p.hint', {}, 'Browsers allow notifications on https only.')];
  },

  // The place of a switch, which is there once the browser and the server say that they can.
  pushSetting() {
    const place = el('div', {hidden: true});
    this.part('push').then(async ({isPossible, subscribe, unsubscribe}) => {
      if (!await isPossible(this.session)) return;
      place.hidden = false;
      place.append(check('Tell me also when this page is closed', preferences.all.push, async (on, input) => {
        const allowed = on && await Notifier.permit();
        input.checked = allowed;
        if (on && !allowed) this.tell('The browser does not allow it.');
        else await (on ? subscribe : unsubscribe)(this.session).then(() => preferences.set('push', on), (error) => {
          input.checked = false;
          this.tell(error instanceof DOMException ? 'The push service of this browser cannot be reached.' : sentence(error));
        });
      }));
    }).catch(() => {});
    return place;
  },
};

const KEYS = [['Ctrl+K', 'find a room'], ['Alt+1 … Alt+9', 'one of the first nine rooms'],
  ['Alt+Up, Alt+Down', 'the previous, the next room'], ['Alt+A', 'the next room with something unread'],
  ['Alt+U', 'where the unread begins'], ['Alt+L, Alt+F', 'who is here, search'], ['Alt+S', 'select a message'],
  ['Up on an empty line', 'edit what you said last'],
  ['r, e, +, c, p, x, g, o', 'on a selected message: reply, edit, react, copy, pin, erase, what it replies to, open'],
  ['Tab', 'completes names, commands and emoji'], ['Shift+Enter', 'another line']];

function keys() {
  return el('details', {}, el('summary', {}, 'Keys'), el('dl.keys', {}, KEYS.map(([key, does]) =>
    [el('dt', {}, el('kbd', {}, key)), el('dd', {}, does)])));
}

function check(text, on, act) {
  const input = el('input', {type: 'checkbox', checked: on, onchange: () => act(input.checked, input)});
  return el('label.check', {}, input, text);
}
