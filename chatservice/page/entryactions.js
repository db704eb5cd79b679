// What the user can do with an entry, and the emoji to react with.

import {el} from './dom.js';
import {ask, copy, dialog, menu, popover} from './overlay.js';
import {resultRow} from './talk.js';

const TABLE = `
👍 thumbsup yes +1|👎 thumbsdown no -1|❤️ heart love|😂 joy laugh|😊 smile happy|😀 grinning|😅 sweat_smile
😉 wink|😍 heart_eyes|😘 kiss|😎 sunglasses cool|🤔 thinking|😐 neutral|🙄 eyeroll|😏 smirk|😢 cry sad
😭 sob|😡 rage angry|😱 scream|😴 sleeping|🤯 mind_blown|🥳 party_face|🤗 hug|🙈 see_no_evil monkey
😇 innocent|🤷 shrug|🤦 facepalm|😬 grimace|🥺 pleading|😋 yum|🤒 sick|👋 wave hello|👏 clap bravo
🙏 pray thanks please|💪 muscle strong|👀 eyes look|✌️ peace|🤝 handshake deal|🤞 fingers_crossed luck
👌 ok_hand|☝️ point_up|🙌 raised_hands|🎉 tada party|🎂 cake birthday|🎁 gift|🏆 trophy|⭐ star|✨ sparkles
🔥 fire hot|💯 hundred|💡 idea bulb|💥 boom|💤 zzz|💔 broken_heart|💚 green_heart|💙 blue_heart|💜 purple_heart
✅ check done|❌ x cross wrong|❗ exclamation|❓ question|⚠️ warning|🚧 construction|🚨 alarm|🐛 bug|🔧 wrench fix
🔨 hammer|⚙️ gear|🔍 search|🔒 lock|🔑 key|📌 pushpin pin|📎 paperclip|📝 memo note|📚 books|📖 book read
📅 calendar|⏰ alarm_clock|⌛ hourglass wait|📷 camera|🎵 music note|🎮 game|💻 laptop computer|📱 phone
🖨️ printer|📧 email|🔗 link|📈 chart up|📉 chart_down|🧪 test_tube lab|🔬 microscope|🔭 telescope|🧮 abacus math
🧠 brain|🚀 rocket ship|🚲 bike|🚌 bus|🚂 train|✈️ plane|🏠 house home|🏫 school|☕ coffee|🍵 tea|🍕 pizza
🍎 apple|🍌 banana|🍰 dessert|🍪 cookie|🍺 beer|🥕 carrot|🌱 seedling|🌳 tree|🌻 sunflower|🌈 rainbow|☀️ sun
🌙 moon|⛅ cloud|🌧️ rain|❄️ snow|🌊 wave_sea|🐱 cat|🐶 dog|🐭 mouse|🐰 rabbit|🦊 fox|🐻 bear|🐼 panda|🐸 frog
🐝 bee|🦋 butterfly|🐢 turtle|🐙 octopus|🐳 whale|🦉 owl|🐧 penguin|⚽ soccer ball|🏀 basketball|🎨 art paint
➕ plus|➖ minus|🆗 ok|🔴 red|🟢 green|🟡 yellow|🔵 blue`;

// Each as {emoji, names}.
const EMOJI = TABLE.trim().split(/[|\n]/).map((item) => {
  const [emoji, ...names] = item.trim().split(' ');
  return {emoji, names};
});

const QUICK = ['👍', '❤️', '😂', '🎉', '👀', '✅'];

export function findEmoji(word) {
  const wanted = word.toLowerCase();
  const rank = ({names}) => (names[0].startsWith(wanted) ? 0 : 1);
  return EMOJI.filter(({names}) => names.some((name) => name.includes(wanted)))
    .sort((a, b) => rank(a) - rank(b));
}

const EDITABLE = new Set(['message', 'action']);

export default {
  replyTo(room, entry) {
    if (room.isPrivate) return;
    room.about = entry;
    room.editing = null;
    this.composer.draw(room);
    this.composer.focus();
  },

  reactTo(room, entry, anchor) {
    if (room.isPrivate) return;
    this.pickEmoji(anchor, (sign) => this.react(room, entry, sign));
  },

  react(room, entry, word) {
    this.attempt('react', {room: room.name, position: entry.seq, word});
  },

  // Begin an edit of an entry in the line where one types.
  edit(room, entry) {
    if (room.isPrivate || !EDITABLE.has(entry.kind) || !this.state.isMe(entry.from)) return;
    room.editing = entry;
    room.about = null;
    this.composer.draw(room);
    this.composer.value = entry.text;
    this.composer.focus();
  },

  editLast() {
    const room = this.state.current;
    const last = room.entries.findLast(({kind, from}) => EDITABLE.has(kind) && this.state.isMe(from));
    if (last) this.edit(room, last);
  },

  async erase(room, entry) {
    if (!this.state.isMe(entry.from) && !room.isPrivate && !(await this.standing(room)).moderates) return;
    const text = room.isPrivate ? 'Only your copy goes; the other one keeps theirs.'
      : 'It goes from the talk, the search and the storage. A mark stays in its place.';
    ask('Erase this message?', [], 'Erase', () => this.eraseNow(room, entry), {danger: true, text});
  },

  async eraseNow(room, entry) {
    await this.session.request('erase', {room: room.isPrivate ? '@' : room.name, position: entry.seq});
    if (room.isPrivate) room.change(entry.seq, {kind: 'gone', text: ''});
    this.bell.ring('talk');
  },

  pin(room, entry) {
    if (!room.isPrivate) this.attempt(entry.pinned ? 'unpin' : 'pin', {room: room.name, position: entry.seq});
  },

  copyText(room, entry) {
    copy(entry.text ?? entry.name);
  },

  copyLink(room, entry) {
    copy(`${location.href.split('#')[0]}#${encodeURIComponent(room.name)}/${entry.seq}`);
  },

  openFile(room, entry, row) {
    const link = row.querySelector('.text a');
    if (entry.kind === 'file') this.download(room, entry);
    else link?.click();
  },

  gotoAbout(room, {about}) {
    if (about) this.goto(room, about);
  },

  async unreadFrom(room, {seq}) {
    const answer = await this.attempt('unread', {room: room.name, position: seq});
    if (!answer) return;
    const {read, unread, mentions} = answer.rooms[0];
    Object.assign(room, {read, unread, mentions, mark: read, keptUnread: true});
    this.bell.ring('all');
    this.tell('Unread from there on, until you come back to the room.');
  },

  async formerTexts(room, {seq}) {
    const answer = await this.attempt('edits', {room: room.name, position: seq});
    if (answer) {
      dialog('Former texts', el('ol.results', {}, answer.entries.map((one) => resultRow(this, room, one))));
    }
  },

  async entryMenu(room, entry, anchor) {
    const mine = this.state.isMe(entry.from);
    const inRoom = !room.isPrivate;
    const {moderates} = inRoom ? await this.standing(room) : {};
    menu(anchor, 'This message', [
      inRoom && ['Reply', () => this.replyTo(room, entry), {icon: 'reply'}],
      inRoom && ['React', () => this.reactTo(room, entry, anchor), {icon: 'smile'}],
      mine && EDITABLE.has(entry.kind) && ['Edit', () => this.edit(room, entry), {icon: 'edit'}],
      ['Copy the text', () => this.copyText(room, entry)],
      ['Copy a link to it', () => this.copyLink(room, entry)],
      moderates && [entry.pinned ? 'Take off the pin' : 'Pin', () => this.pin(room, entry), {icon: 'pin'}],
      inRoom && ['Unread from here', () => this.unreadFrom(room, entry)],
      entry.edited && moderates && ['Former texts', () => this.formerTexts(room, entry)],
      !mine && [`About ${entry.from}…`, () => this.userMenu(anchor, room, entry.from)],
      (mine || moderates || room.isPrivate) && ['Erase', () => this.erase(room, entry), {danger: true}],
    ]);
  },

  // Let the user choose an emoji; `take(sign)` gets it.
  pickEmoji(anchor, take) {
    const grid = el('.emoji-grid', {role: 'group', 'aria-label': 'Emoji'});
    const choose = (sign) => {
      close();
      take(sign);
    };
    const button = ({emoji, names}) => el('button', {'aria-label': names[0].replaceAll('_', ' '),
      title: names[0], onclick: () => choose(emoji)}, emoji);
    const draw = (some) => grid.replaceChildren(...some.map(button));
    const quick = QUICK.map((sign) => EMOJI.find(({emoji}) => emoji === sign));
    const input = el('input', {type: 'search', placeholder: 'Find an emoji, or write a word', 'aria-label': 'Find an emoji',
      maxlength: 40, oninput: () => draw(input.value ? findEmoji(input.value) : EMOJI), onkeydown: ({key}) => {
        const word = input.value.trim();
        if (key === 'Enter' && word) choose(findEmoji(word)[0]?.emoji ?? word.replace(/\s+/g, '-'));
      }});
    draw(EMOJI);
    const close = popover(anchor, el('.emoji', {}, el('.emoji-quick', {}, quick.map(button)), input, grid), 'Emoji');
    input.focus();
  },
};
