// What the user can do with files.

import {el} from './dom.js';
import {copy, dialog, menu} from './overlay.js';
import {table} from './notes.js';
import {address} from './preview.js';
import {sentence} from './commands.js';

export const fileActions = {
  upload(files) {
    const room = this.state.current;
    if (!room.joined) this.tell('You are not in this room.');
    else this.uploads.add(room, files);
  },

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
      this.upload([...event.dataTransfer.files]);
    });
  },

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
      el('button.plain', {type: 'button', onclick: () => this.download(room, entry)}, 'Download'))], {wide: true});
  },

  fileMenu(anchor, room, file) {
    const place = room.isPrivate ? '@' : room.name;
    menu(anchor, file.name, [
      ['Download', () => this.download(room, {...file, kind: 'file'}), {icon: 'download'}],
      file.sha256 && ['Copy the SHA-256', () => copy(file.sha256)],
      ['Versions', () => this.showVersions(place, file)],
      ['Remove', () => this.removeFile(place, file), {danger: true}],
    ]);
  },

  async showVersions(place, file) {
    const answer = await this.attempt('versions', {room: place, name: file.name});
    if (answer) dialog(`Versions of ${file.name}`, table(answer.files), {wide: true});
  },

  async removeFile(place, file) {
    const answer = await this.attempt('remove', {room: place, name: file.name});
    if (!answer) return;
    this.tell(answer.text);
    if (this.panel.kind === 'files') this.panel.show('files');
  },
};
