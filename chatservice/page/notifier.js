// Notifications of the system for mentions and private talk, if the user wants them. Browsers
// allow them on https and on localhost only.

import {preferences} from './keep.js';

export class Notifier {
  constructor(app) {
    this.app = app;
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

  #show(room, entry) {
    const place = room.isPrivate ? entry.from : `${entry.from} in ${room.name}`;
    // Some browsers on phones have the constructor and refuse it.
    try {
      const note = new Notification(place, {body: (entry.text ?? entry.name).slice(0, 200), tag: room.key,
        icon: 'static/icon.svg'});
      note.onclick = () => {
        focus();
        this.app.goto(room, entry.seq);
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
