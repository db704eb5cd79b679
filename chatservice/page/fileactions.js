// What the user can do with files.

import {sentence} from './composer.js';
import {el, shortTime, size} from './dom.js';
import {copy, dialog, menu} from './overlay.js';
import {address} from './talk.js';

export default {
  async download(room, entry) {
    try {
      const href = await address(this, room, entry);
      const link = el('a', {href, download: entry.name});
      link.click();
    } catch (error) {
      this.tell(sentence(error));
    }
  },

  lightbox(room, entry, src) {
    dialog(entry.name, [el('img.large', {src, alt: entry.name}), el('.buttons', {},
      el('button.plain', {onclick: () => this.download(room, entry)}, 'Download'))], {wide: true});
  },

  fileMenu(anchor, room, file) {
    const place = room.isPrivate ? '@' : room.name;
    menu(anchor, file.name, [
      ['Download', () => this.download(room, {...file, kind: 'file'}), {icon: 'download'}],
      file.sha256 && ['Copy the SHA-256', () => copy(file.sha256)],
      ['Versions', () => this.showVersions(room, place, file)],
      ['Remove', () => this.removeFile(place, file), {danger: true}],
    ]);
  },

  async showVersions(room, place, {name}) {
    const answer = await this.attempt('versions', {room: place, name});
    if (!answer) return;
    const row = (file) => el('li', {}, el('button.link', {onclick: () => this.download(room, {...file, kind: 'file'})},
      `Version ${file.version}`), el('small', {dir: 'auto'}, [size(file.size), file.from,
      file.time && shortTime(Date.parse(file.time))].filter(Boolean).join(' · ')));
    dialog(`Versions of ${name}`, el('ul.lines', {}, answer.files.map(row)));
  },

  async removeFile(place, file) {
    const answer = await this.attempt('remove', {room: place, name: file.name});
    if (!answer) return;
    this.tell(answer.text);
    if (this.panel.kind === 'files') this.panel.show('files');
  },
};
