// The page: the views, what is drawn when, which room is in front, and the keys that work
// everywhere. What the user can do with entries, rooms, files and the account is in modules of
// their own, which give App their methods.

import {Composer, holdingKeys, lineActions, sentence} from './composer.js';
import {forTab, place, preferences, remembered} from './connection.js';
import {LOGO, el, listed, visible} from './dom.js';
import {LoginView, toast} from './overlay.js';
import {Session} from './session.js';
import {Panel, Sidebar} from './sidebar.js';
import {State, keyOf} from './state.js';
import {TalkView, header} from './talk.js';

class Bell {
  #listeners = [];
  #topics = new Set();
  #waiting = false;

  // `draw(topics)` is called with the set of what has changed.
  listen(draw) {
    this.#listeners.push(draw);
  }

  ring(...topics) {
    topics.forEach((topic) => this.#topics.add(topic));
    if (this.#waiting) return;
    this.#waiting = true;
    // A hidden page gets no frames, but its title still has to count.
    if (document.hidden) setTimeout(() => this.#tell(), 100);
    else requestAnimationFrame(() => this.#tell());
  }

  #tell() {
    const topics = this.#topics;
    this.#topics = new Set();
    this.#waiting = false;
    this.#listeners.forEach((draw) => draw(topics));
  }
}

export class Notifier {
  constructor(app) {
    this.app = app;
    // The service worker tells which talk the user has pressed a notification of.
    navigator.serviceWorker?.addEventListener('message', ({data}) => app.gotoPlace(data.room, data.seq));
  }

  static possible() {
    return 'Notification' in window && isSecureContext;
  }

  // Ask the browser, which asks the user. Returns whether notifications will come.
  static async permit() {
    return Notifier.possible() && await Notification.requestPermission() === 'granted';
  }

  arrived(room, entry) {
    const quiet = !document.hidden && document.hasFocus();
    if (quiet || !room.mentions || !preferences.all.notify || !Notifier.possible()) return;
    if (Notification.permission === 'granted') this.#show(room, entry);
  }

  // With a service worker as a push message is shown, which then takes the same place.
  async #show(room, entry) {
    const place = room.isPrivate ? entry.from : `${entry.from} in ${room.name}`;
    const shown = {body: (entry.text ?? entry.name).slice(0, 200), tag: room.key, icon: LOGO,
      data: {room: room.name, seq: entry.seq}};
    const worker = await navigator.serviceWorker?.getRegistration();
    if (worker?.active) await worker.showNotification(place, shown);
    else this.#showAlone(place, shown);
  }

  // Some browsers on phones have the constructor and refuse it.
  #showAlone(place, shown) {
    try {
      const note = new Notification(place, shown);
      note.onclick = () => {
        focus();
        this.app.gotoPlace(shown.data.room, shown.data.seq);
      };
    } catch {
      this.app.tell(`${place} wrote to you.`);
    }
  }

  // The number on the icon of an installed page.
  badge(number) {
    navigator.setAppBadge?.(number).catch(() => {});
  }
}

const WIDE = matchMedia('(min-width: 64rem)');
const READ_AHEAD = 1000;  // milliseconds after which parts are read that the first talk does without
const RENEW_PAUSE = 60000;  // milliseconds from one reload that the page does by itself to the next
const PARTS = {
  entry: () => import('./entryactions.js'),
  room: () => import('./roomactions.js'),
  file: () => import('./fileactions.js'),
  account: () => import('./account.js'),
  panel: () => import('./panel.js'),
  push: () => import('./push.js'),
  uploads: () => import('./uploads.js'),
  digest: () => import('./sha256.js'),
  typed: () => import('./typed.js'),
};

class App {
  constructor(page) {
    this.page = page;
    this.title = document.title;
    this.state = new State(forTab.get('drafts') ?? {});
    addEventListener('pagehide', () => forTab.set('drafts', this.state.drafts()));
    this.bell = new Bell();
    this.session = new Session(this.state, this.bell, this.#told());
    this.notifier = new Notifier(this);
    this.login = new LoginView(this.title, (who) => this.#comeIn(who));
    this.#makeViews();
    this.bell.listen((topics) => this.#draw(topics));
    WIDE.addEventListener('change', ({matches}) => (matches ? this.panel.show('people') : this.panel.hide()));
    addEventListener('hashchange', () => this.#route());
    addEventListener('keydown', (event) => this.#key(event));
    document.addEventListener('visibilitychange', () => this.#visible());
    this.watchDrops();
  }

  #makeViews() {
    this.sidebar = new Sidebar(this);
    this.header = header(this);
    this.talk = new TalkView(this);
    this.composer = new Composer(this);
    this.tray = null;  // until there may be uploads
    this.trayPlace = el('div');
    this.panel = new Panel(this);
    this.banner = el('.banner', {role: 'status', hidden: true});
    this.typists = el('.typists', {'aria-live': 'off', dir: 'auto'});
    this.veil = el('.veil', {onclick: () => this.closeDrawers()});
    this.frame = el('.app', {}, this.sidebar.element, el('main.center', {}, this.header.element, this.banner,
      this.talk.element, this.trayPlace, this.composer.element, this.typists), this.panel.element,
    this.veil);
  }

  start() {
    const who = remembered();
    if (who) this.#comeIn(who);
    else this.#showLogin();
  }

  #comeIn(who) {
    const [room, seq] = place();
    this.session.start(who, room && !room.startsWith('@') ? [room] : [], !seq);
  }

  #showLogin() {
    this.page.replaceChildren(this.login.element);
    this.login.focus();
  }

  // --- what the session tells

  #told() {
    return {
      refused: (error) => this.#refused(error),
      entered: () => this.#entered(),
      joined: () => this.#joined(),
      waiting: (seconds) => this.#waiting(seconds),
      ended: (text) => this.#ended(text),
      arrived: (room, entry) => this.#arrived(room, entry),
      notice: (text) => toast(text),
      left: () => this.#openSome(),
    };
  }

  #refused(error) {
    this.#showLogin();
    this.login.refused(error);
  }

  #entered() {
    this.banner.hidden = true;
    if (this.page.firstChild !== this.frame) this.page.replaceChildren(this.frame);
    if (WIDE.matches && !this.panel.kind) this.panel.show('people');
  }

  #joined() {
    if (!this.state.current) this.#route();
    else this.open(this.state.current);
    setTimeout(() => this.#readRest().catch(() => {}), READ_AHEAD);
  }

  // What the first talk did without is here before it is needed, or a connection breaks.
  async #readRest() {
    if (!this.session.online) return;  // then the next connection begins with it
    await Promise.all(Object.keys(PARTS).map((name) => this.part(name)));
    (await this.#uploads()).online();
    await (await this.part('push')).renew(this.session);
  }

  // A part of the page. If the server has other files by now, the page begins anew with those.
  async part(name) {
    try {
      return await PARTS[name]();
    } catch (error) {
      if (this.session.online) this.#renew();
      else this.tell('This part of the page is not here yet. Try again when there is a connection.');
      throw error;
    }
  }

  // A reload keeps what was typed and where one is, but it stops uploads.
  #renew() {
    const lately = Date.now() - (forTab.get('renewed') ?? 0) < RENEW_PAUSE;
    if (lately || this.tray?.uploads.items.length) {
      this.tell('The server has other parts of this page by now. Reload it, when nothing is being uploaded.');
      return;
    }
    forTab.set('renewed', Date.now());
    location.reload();
  }

  async #uploads() {
    const {Tray, Uploads} = await this.part('uploads');
    if (!this.tray) {
      const uploads = new Uploads((name, fields) => this.session.request(name, fields),
        () => this.bell.ring('uploads'));
      this.tray = new Tray(uploads, () => placeOf(this.state.current));
      this.trayPlace.replaceWith(this.tray.element);
    }
    return this.tray.uploads;
  }

  #waiting(seconds) {
    if (!this.state.me) {
      if (!this.login.element.isConnected) this.#showLogin();
      this.login.waiting();
      return;
    }
    this.#showBanner(`No connection. What you write waits; next try in ${Math.ceil(seconds)}\u00a0s.`, 'Try now',
      () => this.session.connection.hurry());
  }

  #ended(text) {
    this.#showBanner(text, 'Come back', () => this.session.connection.start());
  }

  #showBanner(text, label, act) {
    this.banner.hidden = false;
    this.banner.replaceChildren(el('span', {dir: 'auto'}, text), el('button.link', {onclick: act},
      label));
  }

  #arrived(room, entry) {
    if (this.#reads(room)) this.session.markRead(room);
    else if (room.mark === null && room.unread) Object.assign(room, {mark: room.read, markSeen: false});
    this.notifier.arrived(room, entry);
  }

  // Whether the user has the end of that room before their eyes.
  #reads(room) {
    return room === this.state.current && !room.keptUnread && !document.hidden && document.hasFocus()
      && this.talk.readsEnd;
  }

  // --- which room is in front

  #route() {
    const [name, seq] = place();
    if (name) this.gotoPlace(name, seq);
    else this.#openSome();
  }

  #openSome() {
    const {rooms, talks} = this.state.sorted();
    const last = forTab.get('current');
    const room = (last && this.state.room(last)) || rooms.find(({joined}) => joined) || talks[0];
    if (room) this.open(room);
    else this.join('lobby');
  }

  async gotoPlace(name, seq) {
    try {
      const room = this.state.room(name) ?? (name.startsWith('@') ? this.state.ensure(name)
        : await this.session.join(name));
      if (seq) await this.goto(room, seq);
      else await this.open(room);
    } catch (error) {
      this.tell(error.message);
      if (!this.state.current) this.#openSome();
    }
  }

  async open(room) {
    const turned = this.state.current !== room;
    if (turned) this.#turn(room);
    this.closeDrawers();
    this.bell.ring('all');
    try {
      await this.session.load(room);
    } catch (error) {
      if (error.code !== 'lost') this.tell(error.message);
    }
    this.seen();
    if (turned && !room.isPrivate) this.session.listPeople(room).catch(() => {});
  }

  #turn(room) {
    this.state.current = room;
    Object.assign(room, {mark: room.unread ? room.read : null, markSeen: false, keptUnread: false});
    forTab.set('current', room.name);
    this.#askForTalk(room);
    const [name] = place();
    if (name?.toLowerCase() !== room.key) history.replaceState(null, '', `#${encodeURIComponent(room.name)}`);
    if (WIDE.matches) this.composer.focus();
  }

  // The next page that this browser asks for brings the newest talk of that room, if guests may read
  // it. All programs of the server's host see a cookie, so it names only what everybody may know.
  #askForTalk({key}) {
    const row = this.state.listed.find(({room}) => keyOf(room) === key);
    const named = row?.access === 'public' && !row.locked ? encodeURIComponent(row.room) : '';
    document.cookie = `room=${named}; SameSite=Strict`;
  }

  // Show an entry; the address becomes the one of this entry.
  async goto(room, seq) {
    if (this.state.current !== room) this.#turn(room);
    this.closeDrawers();
    if (!WIDE.matches) this.panel.hide();
    this.talk.show(room, seq);
    await this.session.loadAround(room, seq);
    history.replaceState(null, '', `#${encodeURIComponent(room.name)}/${seq}`);
    if (!room.find(seq)) this.tell('That entry is no longer kept.');
    this.bell.ring('all');
  }

  // The end of the room is in sight.
  seen() {
    const room = this.state.current;
    if (room && room.loaded && this.#reads(room)) this.session.markRead(room);
  }

  #visible() {
    const room = this.state.current;
    if (!room) return;
    if (document.hidden) room.mark = null;
    else this.seen();
    this.bell.ring('all');
  }

  // Ask the server, and tell the user of a refusal. Returns the answer, or null.
  async attempt(name, fields) {
    try {
      return await this.session.request(name, fields);
    } catch (error) {
      this.tell(sentence(error));
      return null;
    }
  }

  // Go into a room; one with a password asks for it.
  async goInto(name, locked) {
    const known = this.state.room(name);
    if (known?.joined) this.open(known);
    else if (locked) this.askPassword(name);
    else await this.join(name);
  }

  async join(name, password) {
    try {
      this.open(await this.session.join(name, password));
    } catch (error) {
      if (error.code === 'password-needed') this.askPassword(name);
      else this.tell(sentence(error));
    }
  }

  openTalk(name) {
    this.open(this.state.ensure(`@${name}`));
  }

  async leaveRoom(room) {
    try {
      await this.session.leave(room);
    } catch (error) {
      this.tell(sentence(error));
    }
  }

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
  }

  async upload(files) {
    const room = this.state.current;
    if (!room.joined) this.tell('You are not in this room.');
    else if (files.length) (await this.#uploads().catch(() => null))?.add(placeOf(room), files);
  }

  // Files dropped anywhere go into the room that is in front.
  watchDrops() {
    let depth = 0;
    const hasFiles = ({dataTransfer}) => this.state.current && dataTransfer?.types.includes('Files');
    const enter = (step) => (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      depth += step;
      this.frame.toggleAttribute('data-dropping', depth > 0);
    };
    addEventListener('dragenter', enter(1));
    addEventListener('dragleave', enter(-1));
    addEventListener('dragover', (event) => hasFiles(event) && event.preventDefault());
    addEventListener('drop', (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      depth = 0;
      this.frame.removeAttribute('data-dropping');
      this.upload(this.#filesOf(event.dataTransfer));
    });
  }

  // What was dropped, without folders: a browser can read no bytes of them.
  #filesOf({files, items}) {
    const folders = [...items].filter(({kind}) => kind === 'file')
      .map((item) => item.webkitGetAsEntry()?.isDirectory);
    const named = [...files].filter((_, index) => folders[index]).map(({name}) => visible(name));
    if (named.length) this.tell(`A folder is not shared: ${listed(named)}. Drop the files in it, or a zip of it.`);
    return [...files].filter((_, index) => !folders[index]);
  }

  // --- drawing

  #draw(topics) {
    const room = this.state.current;
    const has = (...some) => topics.has('all') || some.some((topic) => topics.has(topic));
    if (has('rooms')) this.#drawTitle();
    if (has('rooms')) this.sidebar.draw();
    if (has('uploads')) this.tray?.draw();
    if (!room) return;
    if (has('talk', 'rooms')) this.header.draw(room);
    if (has('talk')) this.talk.draw(room);
    if (has('talk')) this.composer.draw(room);
    if (has('talk')) this.seen();
    if (has('talk', 'people')) this.#drawTypists(room);
    if (has('people')) this.panel.draw();
  }

  #drawTitle() {
    const {mentions, unread} = this.state.totals();
    const room = this.state.current;
    const number = mentions ? `(${mentions}) ` : unread ? '• ' : '';
    document.title = `${number}${room ? `${room.name} – ` : ''}${this.title}`;
    this.notifier.badge(mentions);
  }

  #drawTypists(room) {
    const now = Date.now();
    for (const [key, {until}] of room.typing) if (until <= now) room.typing.delete(key);
    const names = [...room.typing.values()].map(({name}) => name);
    this.typists.textContent = names.length ? `${listed(names, 3)} ${names.length > 1 ? 'are' : 'is'} typing…` : '';
    clearTimeout(this.typingTimer);
    if (names.length) this.typingTimer = setTimeout(() => this.bell.ring('people'), 1000);
  }

  tell(text) {
    toast(text);
  }

  // --- drawers of narrow windows, and keys

  openDrawer() {
    this.frame.dataset.drawer = 'rooms';
    this.sidebar.element.querySelector('.drawer-only').focus();
  }

  closeDrawers() {
    delete this.frame.dataset.drawer;
  }

  showPanel(kind) {
    if (this.panel.kind === kind) this.panel.hide();
    else this.panel.show(kind);
    this.frame.dataset.panel = this.panel.kind ?? '';
  }

  panelHidden() {
    this.frame.dataset.panel = '';
  }

  toComposer() {
    this.composer.focus();
  }

  names() {
    const room = this.state.current;
    const said = room.entries.slice(-200).map(({from}) => from);
    const people = new Set([...said, ...[...room.people.values()].map(({name}) => name)]);
    const rooms = this.state.sorted().rooms.map(({name}) => name);
    return {people: [...people].filter((name) => !this.state.isMe(name)), rooms};
  }

  // The names of the commands that the user may give, or null if the server does not tell.
  async allowed() {
    const answer = await this.session.request('help').catch(() => null);
    return answer && new Set(answer.lines.map((line) => /^\/([a-z]+)/.exec(line)?.[1]));
  }

  typing() {
    this.session.typing(this.state.current);
  }

  #key(event) {
    if (!this.state.current || document.querySelector('dialog[open]')) return;
    const act = event.altKey && !event.ctrlKey ? this.#altKeys(event) : this.#otherKeys(event);
    if (!act) return;
    event.preventDefault();
    act();
  }

  #altKeys({key, code}) {
    if (/^Digit[1-9]$/.test(code)) return () => this.#openNumber(Number(code.at(-1)) - 1);
    return {
      ArrowUp: () => this.#step(-1),
      ArrowDown: () => this.#step(1),
      a: () => this.#openUnread(),
      s: () => this.talk.focus(),
      f: () => this.showPanel('search'),
      l: () => this.showPanel('people'),
      u: () => this.gotoUnread(),
    }[key];
  }

  #otherKeys({key, ctrlKey, metaKey}) {
    if ((ctrlKey || metaKey) && key === 'k') return () => this.browse();
    if (key === 'Escape' && this.frame.dataset.drawer) return () => this.closeDrawers();
    return null;
  }

  #order() {
    const {rooms, talks} = this.state.sorted();
    return [...rooms, ...talks];
  }

  #openNumber(index) {
    const room = this.#order()[index];
    if (room) this.open(room);
  }

  #step(step) {
    const all = this.#order();
    this.open(all[(all.indexOf(this.state.current) + step + all.length) % all.length]);
  }

  // The next room with something unread; those with a mention come first.
  #openUnread() {
    const unread = this.#order().filter((room) => room.unread && room !== this.state.current);
    const room = unread.find(({mentions}) => mentions) ?? unread[0];
    if (room) this.open(room);
    else this.tell('Nothing is unread.');
  }
}

Object.assign(App.prototype, lineActions,
  later('entry', 'replyTo', 'reactTo', 'react', 'edit', 'editLast', 'erase', 'pin', 'copyText', 'openFile', 'gotoAbout',
    'unreadFrom', 'entryMenu', 'pickEmoji'),
  later('room', 'browse', 'createRoom', 'askPassword', 'newTalk', 'setTopic', 'roomMenu', 'userMenu', 'standing'),
  later('file', 'download', 'lightbox', 'fileMenu'), later('account', 'account', 'settings'),
  later('typed', 'command'));

// Methods of a part that is read when one of them is called: those that other modules call. It brings
// all methods of its default export.
function later(part, ...names) {
  return Object.fromEntries(names.map((name) => [name, async function call(...args) {
    const line = part === 'typed';  // it leaves the focus where it is
    const act = async () => {
      const found = await this.part(part).catch(() => null);
      if (found) return Object.assign(this, found.default)[name](...args);
      if (line) this.typeAgain(args[0]);
      return {};
    };
    return line ? act() : holdingKeys(act);
  }]));
}

// A room or a user in the fields of a request.
const placeOf = ({isPrivate, name}) => (isPrivate ? {to: name.slice(1)} : {room: name});

new App(document.getElementById('page')).start();
// Over TLS the page can be installed, and opens without the server. A certificate that the browser does
// not trust forbids it.
if (location.protocol === 'https:') {
  // The page's policy for scripts allows this one address.
  const only = window.trustedTypes?.createPolicy('worker', {createScriptURL: () => 'sw.js'});
  navigator.serviceWorker?.register(only?.createScriptURL('') ?? 'sw.js').catch(() => {});
}
