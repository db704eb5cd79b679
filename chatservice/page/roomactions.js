// What the user can do with rooms and with other users.

import {el} from './dom.js';
import {ask, choice, dialog, field, menu} from './overlay.js';
import {sentence} from './commands.js';
import {table} from './notes.js';
import {roomList} from './sidebar.js';

const TIMES = [['', 'for good'], ['10m', '10 minutes'], ['1h', 'an hour'], ['1d', 'a day'], ['7d', 'a week']];
const ACCESS = [['public', 'public: everybody finds it and may come in'],
  ['hidden', 'hidden: who knows its name may come in'], ['invited', 'invited: only invited users may come in']];

export const roomActions = {
  // Ask the server, and tell the user of a refusal. Returns the answer, or null.
  async attempt(name, fields) {
    try {
      return await this.session.request(name, fields);
    } catch (error) {
      this.tell(sentence(error));
      return null;
    }
  },

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

  // Go into a room; one with a password asks for it.
  async goInto(name, locked) {
    const known = this.state.room(name);
    if (known?.joined) this.open(known);
    else if (locked) this.askPassword(name);
    else await this.join(name);
  },

  async join(name, password) {
    try {
      this.open(await this.session.join(name, password));
    } catch (error) {
      if (error.code === 'password-needed') this.askPassword(name);
      else this.tell(sentence(error));
    }
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

  openTalk(name) {
    this.open(this.state.ensure(`@${name}`));
  },

  setTopic() {
    const room = this.state.current;
    ask('Topic', [field('What this room is about', 'text', {value: room.topic, dir: 'auto', maxlength: 500})], 'Save',
      ({text}) => this.session.request('topic', {room: room.name, text}));
  },

  async leaveRoom(room) {
    try {
      await this.session.leave(room);
    } catch (error) {
      this.tell(sentence(error));
    }
  },

  gotoUnread() {
    const room = this.state.current;
    if (room.mark === null) {
      this.tell('Nothing is unread here.');
      return;
    }
    room.markSeen = true;
    const [first] = room.entries;
    const loaded = first && (first.seq <= room.mark || room.complete);
    const next = loaded && room.entries.find(({seq}) => seq > room.mark);
    this.goto(room, next ? next.seq : room.mark + 1);
  },

  roomMenu(anchor) {
    const room = this.state.current;
    if (room.isPrivate) {
      menu(anchor, 'This talk', [['Close this talk', () => this.leaveRoom(room), {icon: 'close'}]]);
      return;
    }
    menu(anchor, 'This room', [
      ['Pinned messages', () => this.showPanel('pins'), {icon: 'pin'}],
      ['Change the topic', () => this.setTopic(), {icon: 'edit'}],
      ['Who may come in…', () => this.setAccess(room), {icon: 'lock'}],
      ['Invite somebody…', () => this.invite(room), {icon: 'plus'}],
      ['Rules of the room', () => this.showRules(room)],
      ['What moderators did', () => this.showRecord(room)],
      ['Slow mode…', () => this.setSlow(room)],
      ['Let only moderators speak', () => this.attempt('freeze', {room: room.name})],
      ['Let everybody speak', () => this.attempt('unfreeze', {room: room.name})],
      ['Leave', () => this.leaveRoom(room), {danger: true}],
    ]);
  },

  setAccess(room) {
    ask('Who may come in', [choice('Access', 'access', ACCESS, 'public'), field('Password', 'password',
      {autocomplete: 'off'}, 'Leave it empty for none')], 'Save', ({access, password}) =>
      this.session.request('access', {room: room.name, access, password: password || undefined}));
  },

  invite(room) {
    ask('Invite somebody', [field('Name', 'user', {required: true, dir: 'auto', autocomplete: 'off'})], 'Invite',
      ({user}) => this.session.request('invite', {room: room.name, user}));
  },

  setSlow(room) {
    ask('Slow mode', [field('Seconds from one message to the next', 'seconds', {type: 'number', min: 0, max: 3600,
      value: 10, required: true}, '0 ends it')], 'Save', ({seconds}) =>
      this.session.request('slow', {room: room.name, seconds: Number(seconds)}));
  },

  async showRules(room) {
    const answer = await this.attempt('rules', {room: room.name});
    if (!answer) return;
    const {access, locked, frozen, slow, rules} = answer;
    const facts = [`This room is ${access}.`, locked && 'It has a password.', frozen && 'Only moderators may speak.',
      slow && `Slow mode: ${slow} s from one message to the next.`].filter(Boolean).join(' ');
    dialog('Rules of the room', [el('p', {}, facts), rules.length ? table(rules) : el('p.hint', {}, 'Nobody is silenced.')]);
  },

  async showRecord(room) {
    const answer = await this.attempt('record', {room: room.name, limit: 100});
    if (answer) dialog('What moderators did', answer.deeds.length ? table(answer.deeds) : el('p.hint', {}, 'Nothing yet.'), {wide: true});
  },

  userMenu(anchor, room, name) {
    const me = this.state.isMe(name);
    const deed = (what) => () => this.attempt(what, {room: room.name, user: name});
    const moderate = !me && !room.isPrivate;
    menu(anchor, name, [
      ['Talk alone', () => this.openTalk(name), {icon: 'reply'}],
      !me && ['Mention', () => this.composer.insert(`@${name} `)],
      ['When was this user here?', () => this.showSeen(name)],
      !me && ['Ignore, or no longer', () => this.ignore(name)],
      moderate && ['Make a moderator', deed('op')],
      moderate && ['Take the role of moderator', deed('deop')],
      moderate && ['Mute…', () => this.moderate('mute', room, name)],
      moderate && ['Put out of the room…', () => this.moderate('kick', room, name), {danger: true}],
      moderate && ['Ban…', () => this.moderate('ban', room, name), {danger: true}],
    ]);
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
