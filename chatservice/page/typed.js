// What becomes of a typed line: talk, a reply, an edit or a command.

import {parse, readable, requestOf, sentence} from './commands.js';

export const typedActions = {
  // Returns false if the line is to stay where it is.
  submit(line) {
    const room = this.state.current;
    if (room.editing) return this.finishEdit(room, line);
    const {name, rest, text} = parse(line);
    if (name) return this.command(name, rest, room);
    this.session.say(room, text, room.about ? {about: room.about.seq} : {});
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
    this.composer.value = item.fields.text;
    this.composer.focus();
  },

  command(name, rest, room) {
    const own = OWN[name];
    if (own) return own(this, rest, room) !== false;
    const {wrong, fields} = requestOf(name, rest, room.name);
    if (wrong) {
      this.tell(wrong);
      return false;
    }
    this.run(name, fields, room);
    return true;
  },

  async run(name, fields, room) {
    try {
      const answer = readable(await this.session.request(name, fields));
      // Everybody is told of a new topic, also who set it.
      if (name === 'topic') return;
      this.state.note(room, {kind: 'answer', ...answer});
    } catch (error) {
      this.state.note(room, {kind: 'answer', text: sentence(error), rows: []});
    }
    this.bell.ring('talk', 'people');
  },

  dismiss(note) {
    const room = this.state.current;
    room.notes = room.notes.filter(({id}) => id !== note.id);
    this.bell.ring('talk');
  },
};

// "#42 words" as [42, 'words']; without a position, [0, all].
function position(rest) {
  const match = /^#?(\d+)(?:\s+([^]*))?$/.exec(rest);
  return match ? [Number(match[1]), match[2] ?? ''] : [0, rest];
}

const words = (rest) => {
  const [, first, left] = /^(\S*)\s*([^]*)$/.exec(rest);
  return [first, left];
};

const OWN = {
  create(app, rest) {
    const [name, password] = words(rest);
    app.session.create(name, password).then((room) => app.open(room), (error) => app.tell(sentence(error)));
  },
  edit(app, rest, room) {
    const [seq, text] = /^#\d/.test(rest) ? position(rest) : [undefined, rest];
    app.attempt('edit', {room: room.name, position: seq, text});
  },
  erase(app, rest, room) {
    const [seq] = position(rest);
    app.attempt('erase', {room: room.isPrivate ? '@' : room.name, position: seq || undefined});
  },
  files: (app) => app.panel.show('files'),
  go(app, rest, room) {
    const [first, left] = words(rest);
    if (/^#?\d+$/.test(first)) app.goto(room, position(first)[0]);
    else if (first === 'unread') app.gotoUnread();
    else app.gotoPlace(first, position(left)[0]);
  },
  join(app, rest) {
    const [name, password] = words(rest.replace(/^#/, ''));
    if (!name) app.browse();
    else app.join(name, password);
  },
  leave: (app, rest, room) => app.leaveRoom(app.state.room(rest) ?? room),
  me(app, rest, room) {
    if (!rest || room.isPrivate) return false;
    app.session.act(room, rest);
    return true;
  },
  msg(app, rest) {
    const [name, text] = words(rest);
    if (!name) return app.newTalk();
    app.openTalk(name.replace(/^@/, ''));
    if (text) app.session.say(app.state.current, text);
    return true;
  },
  pins: (app) => app.panel.show('pins'),
  quit: (app) => app.session.leaveForGood(),
  register: (app) => app.account(),
  reply(app, rest, room) {
    const [about, text] = position(rest);
    if (!about || !text) return false;
    app.session.say(room, text, {about});
    return true;
  },
  rooms: (app) => app.browse(),
  search(app, rest) {
    app.panel.show('search');
    if (rest) app.panel.search.run(rest);
  },
  settings: (app) => app.settings(),
  unread(app, rest, room) {
    const [seq] = position(rest);
    if (seq) app.unreadFrom(room, {seq});
    else app.gotoUnread();
  },
  who: (app) => app.panel.show('people'),
};
