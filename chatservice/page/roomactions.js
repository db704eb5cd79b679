// What the user can do with rooms and with other users, in menus and dialogs.

import {duration, el, icon, reconcile, shortTime} from './dom.js';
import {ask, choice, dialog, field, menu} from './overlay.js';
import {keyOf} from './state.js';

const TIMES = [['', 'for good'], ['10m', '10 minutes'], ['1h', 'an hour'], ['1d', 'a day'], ['7d', 'a week']];
const ACCESS = [['public', 'public: everybody finds it and may come in'],
  ['hidden', 'hidden: who knows its name may come in'], ['invited', 'invited: only invited users may come in']];

// The command that ends a rule, and its label.
const LIFTS = {banned: ['unban', 'Lift the ban'], muted: ['unmute', 'Let them speak'],
  invited: ['uninvite', 'Take it back'], moderator: ['deop', 'Take the role']};

export default {
  browse() {
    const box = el('div');
    const close = dialog('Rooms', box);
    box.append(roomList(this, close));
    box.querySelector('input').focus();
  },

  createRoom(name) {
    ask('A new room', [
      field('Name', 'room', {required: true, maxlength: 32, value: name, dir: 'auto', autocapitalize: 'off'}),
      choice('Who may come in', 'access', ACCESS, 'public'),
      field('Password', 'password', {type: 'text', autocomplete: 'off'}, 'Leave it empty for none')], 'Make it',
    (values) => this.createNow(values));
  },

  async createNow({room: name, access, password}) {
    const room = await this.session.create(name.trim(), password);
    if (access !== 'public') await this.session.request('access', {room: room.name, access, password: password || undefined});
    this.open(room);
  },

  askPassword(name) {
    ask(`The password of ${name}`, [field('Password', 'password', {type: 'password', required: true,
      autocomplete: 'off'})], 'Go in', async ({password}) => {
      this.open(await this.session.join(name, password));
    });
  },

  newTalk() {
    ask('Talk with somebody alone', [field('Name', 'name', {required: true, maxlength: 32, dir: 'auto',
      autocapitalize: 'off', autocomplete: 'off'})], 'Begin', ({name}) => {
      this.openTalk(name.trim().replace(/^@/, ''));
    });
  },

  setTopic() {
    const room = this.state.current;
    ask('Topic', [field('What this room is about', 'text', {value: room.topic, dir: 'auto', maxlength: 500})], 'Save',
      ({text}) => this.session.request('topic', {room: room.name, text}));
  },

  async roomMenu(anchor) {
    const room = this.state.current;
    if (room.isPrivate) {
      menu(anchor, 'This talk', [['Close this talk', () => this.leaveRoom(room), {icon: 'close'}]]);
      return;
    }
    const {moderates, owns, frozen, slow, access} = await this.standing(room);
    menu(anchor, 'This room', [
      ['Pinned messages', () => this.showPanel('pins'), {icon: 'pin'}],
      ['Change the topic', () => this.setTopic(), {icon: 'edit'}],
      owns && ['Who may come in…', () => this.setAccess(room, access), {icon: 'lock'}],
      moderates && ['Invite somebody…', () => this.invite(room), {icon: 'plus'}],
      ['Rules of the room', () => this.showRules(room)],
      moderates && ['What moderators did', () => this.showRecord(room)],
      moderates && ['Slow mode…', () => this.setSlow(room, slow)],
      moderates && !frozen && ['Let only moderators speak', () => this.attempt('freeze', {room: room.name})],
      moderates && frozen && ['Let everybody speak', () => this.attempt('unfreeze', {room: room.name})],
      owns && ['Close this room…', () => this.closeRoom(room), {danger: true}],
      ['Leave', () => this.leaveRoom(room), {danger: true}],
    ]);
  },

  // The rules of a room, and what they let the user do: {moderates, owns, rules, frozen, slow, access}.
  async standing({name}) {
    const [found, allowed] = await Promise.all([this.session.request('rules', {room: name}).catch(() => ({rules: []})),
      this.allowed()]);
    const operates = allowed?.has('users');
    const is = (role) => found.rules.some(({what, user}) => what === role && this.state.isMe(user));
    return {...found, moderates: operates || is('owner') || is('moderator'), owns: operates || is('owner')};
  },

  setAccess(room, access) {
    ask('Who may come in', [choice('Access', 'access', ACCESS, access), field('Password', 'password',
      {autocomplete: 'off'}, 'Leave it empty for none')], 'Save', (values) =>
      this.session.request('access', {room: room.name, access: values.access, password: values.password || undefined}));
  },

  closeRoom({name}) {
    ask(`Close ${name}?`, [], 'Close it', () => this.session.request('close', {room: name}), {danger: true,
      text: 'Everybody else is put out, and nobody may come in until you open it again. Everything is kept.'});
  },

  invite(room) {
    ask('Invite somebody', [field('Name', 'user', {required: true, dir: 'auto', autocomplete: 'off'})], 'Invite',
      ({user}) => this.session.request('invite', {room: room.name, user}));
  },

  setSlow(room, slow) {
    ask('Slow mode', [field('Seconds from one message to the next', 'seconds', {type: 'number', min: 0, max: 3600,
      value: slow || 10, required: true}, '0 ends it')], 'Save', ({seconds}) =>
      this.session.request('slow', {room: room.name, seconds: Number(seconds)}));
  },

  async showRules(room) {
    const {access, locked, frozen, slow, rules, moderates, owns} = await this.standing(room);
    const facts = [access && `This room is ${access}.`, locked && 'It has a password.', frozen && 'Only moderators may speak.',
      slow && `Slow mode: ${duration(slow)} from one message to the next.`].filter(Boolean).join(' ');
    const row = ({what, user, left, from}) => {
      const lift = LIFTS[what];
      const may = lift && (what === 'moderator' ? owns : moderates);
      const details = [left && `${duration(left)} left`, from && `by ${from}`].filter(Boolean).join(', ');
      return el('li', {}, el('span', {}, el('strong', {dir: 'auto'}, user), ` ${what} `, el('small', {dir: 'auto'}, details)),
        may && el('button.link', {'aria-label': `${lift[1]}: ${user}`, onclick: async () => {
          close();
          if (await this.attempt(lift[0], {room: room.name, user})) this.showRules(room);
        }}, lift[1]));
    };
    const close = dialog('Rules of the room', el('.stack', {}, facts && el('p', {}, facts),
      rules.length ? el('ul.lines', {}, rules.map(row)) : el('p.hint', {}, 'Nobody moderates this room, and nobody is silenced.')));
  },

  async showRecord(room) {
    const answer = await this.attempt('record', {room: room.name, limit: 100});
    if (!answer) return;
    const row = ({time, from, did}) => el('li', {}, el('span', {}, el('strong', {dir: 'auto'}, from), ' ', el('span', {dir: 'auto'}, did)),
      el('small', {}, shortTime(Date.parse(time))));
    dialog('What moderators did', answer.deeds.length ? el('ul.lines', {}, answer.deeds.map(row)) : el('p.hint', {}, 'Nothing yet.'));
  },

  async userMenu(anchor, room, name) {
    const me = this.state.isMe(name);
    const deed = (what) => () => this.attempt(what, {room: room.name, user: name});
    const {rules, moderates, owns} = me || room.isPrivate ? {} : await this.standing(room);
    const is = (role) => rules.some(({what, user}) => what === role && keyOf(user) === keyOf(name));
    menu(anchor, name, [
      ['Talk alone', () => this.openTalk(name), {icon: 'reply'}],
      !me && ['Mention', () => this.composer.insert(`@${name} `)],
      ['When was this user here?', () => this.showSeen(name)],
      !me && ['Ignore, or no longer', () => this.ignore(name)],
      owns && (is('moderator') ? ['Take the role of moderator', deed('deop')] : ['Make a moderator', deed('op')]),
      owns && ['Give this room to them…', () => this.giveRoom(room, name)],
      moderates && (is('muted') ? ['Let them speak', deed('unmute')] : ['Mute…', () => this.moderate('mute', room, name)]),
      moderates && ['Put out of the room…', () => this.moderate('kick', room, name), {danger: true}],
      moderates && (is('banned') ? ['Lift the ban', deed('unban')]
        : ['Ban…', () => this.moderate('ban', room, name), {danger: true}]),
    ]);
  },

  giveRoom(room, user) {
    ask(`Give ${room.name} to ${user}?`, [], 'Give it', () => this.session.request('owner', {room: room.name, user}),
      {danger: true, text: 'Then they own it, and you do not.'});
  },

  moderate(what, room, user) {
    const titles = {mute: `Mute ${user}`, kick: `Put ${user} out`, ban: `Ban ${user}`};
    const fields = [field('Reason', 'text', {dir: 'auto'}, 'Everybody in the room sees it')];
    if (what !== 'kick') fields.unshift(choice('How long', 'time', TIMES, '10m'));
    ask(titles[what], fields, titles[what], ({time, text}) => this.session.request(what, {room: room.name, user,
      time: time || undefined, text: text || undefined}), {danger: true});
  },

  async ignore(name) {
    const answer = await this.attempt('ignore', {user: name});
    if (answer) this.tell(answer.text);
  },

  async showSeen(name) {
    const answer = await this.attempt('seen', {user: name});
    if (!answer) return;
    const {state, time, text} = answer;
    const when = time ? `, last here ${new Date(time).toLocaleString()}` : '';
    this.tell(`${answer.user} is ${state}${text ? `: ${text}` : ''}${when}.`);
  },
};

// The rooms of the server, to go into one or to make one.
function roomList(app, close) {
  const list = el('ul.browse', {'aria-label': 'Rooms of the server'});
  const filter = el('input', {type: 'search', placeholder: 'Find a room, or name a new one',
    'aria-label': 'Find a room', dir: 'auto', oninput: () => draw(), onkeydown: ({key}) => {
      if (key === 'Enter' && filter.value.trim()) list.querySelector('button')?.click();
    }});
  const make = el('button.primary', {onclick: () => {
    close();
    app.createRoom(filter.value.trim());
  }}, icon('plus'), el('span', {}, 'New room'));
  const draw = () => {
    const wanted = filter.value.trim().toLowerCase();
    const rooms = app.state.listed.filter(({room, topic}) =>
      `${room} ${topic}`.toLowerCase().includes(wanted));
    reconcile(list, rooms.map((row) => ({key: row.room, stamp: JSON.stringify(row), make: () => browseRow(app, row, close)})));
  };
  draw();
  app.session.listRooms().then(draw, () => {});
  return el('.browse-box', {}, el('.browse-bar', {}, filter, make), list);
}

function browseRow(app, row, close) {
  const go = () => {
    close();
    app.goInto(row.room, row.locked);
  };
  return el('li', {}, el('button', {onclick: go},
    el('span.hash', {'aria-hidden': 'true'}, '#'),
    el('span.browse-words', {}, el('strong', {dir: 'auto'}, row.room),
      row.topic && el('small', {dir: 'auto'}, row.topic)),
    row.locked && icon('lock'), el('span.browse-count', {}, icon('people'), `${row.users}`,
      el('span.unseen', {}, ' users here'))));
}
