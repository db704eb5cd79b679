// Pictures, sound and video where they were shared. A ticket serves one transfer, so a picture is
// read once and kept as a blob.

import {el, icon} from './dom.js';
import {size} from './format.js';

const PICTURES = /\.(png|jpe?g|gif|webp|avif|bmp)$/i;
const SOUNDS = /\.(mp3|ogg|oga|opus|wav|flac|m4a|aac)$/i;
const VIDEOS = /\.(mp4|webm|ogv|m4v|mov)$/i;
const BY_ITSELF = 5_000_000;  // bytes of a picture that is shown unasked
const MOST_KEPT = 40;

const kept = new Map();
const seen = new IntersectionObserver((all) => all.filter(({isIntersecting}) => isIntersecting)
  .forEach(({target}) => {
    seen.unobserve(target);
    target.show();
  }), {rootMargin: '300px'});

export const isPicture = (name) => PICTURES.test(name);

export function preview(app, room, entry) {
  if (isPicture(entry.name)) return picture(app, room, entry);
  if (SOUNDS.test(entry.name)) return player('audio', app, room, entry);
  if (VIDEOS.test(entry.name)) return player('video', app, room, entry);
  return null;
}

// The address of a file's bytes, good for one transfer.
export async function address(app, room, {kind, name, version}, inline = false) {
  if (kind === 'sent-file') throw new Error('The file is with the user to whom you sent it.');
  const answer = await app.session.request('get', {room: room.isPrivate ? '@' : room.name, name,
    version: version || undefined});
  return `t/${answer.ticket}/${encodeURIComponent(name)}${inline ? '?inline' : ''}`;
}

export function picture(app, room, entry) {
  if (entry.kind === 'sent-file') return null;
  const box = el('button.picture', {type: 'button', 'aria-label': `Picture ${entry.name}`, title: entry.name,
    onclick: () => (box.firstChild?.src ? app.lightbox(room, entry, box.firstChild.src) : box.show())});
  const label = () => el('span.picture-wait', {}, icon('image'), size(entry.size));
  box.append(label());
  box.show = async () => {
    try {
      const image = el('img', {alt: entry.name, src: await blobOf(app, room, entry)});
      await image.decode();
      box.replaceChildren(image);
    } catch {
      // Not a picture after all, or gone: its name below still fetches it.
      box.remove();
    }
  };
  if (entry.size <= BY_ITSELF) seen.observe(box);
  return box;
}

function blobOf(app, room, entry) {
  const key = `${room.key}/${entry.name}/${entry.version}/${entry.sha256}`;
  if (!kept.has(key)) kept.set(key, fetchBlob(app, room, entry));
  kept.get(key).catch(() => kept.delete(key));
  if (kept.size > MOST_KEPT) forgetOldest();
  return kept.get(key);
}

async function fetchBlob(app, room, entry) {
  const response = await fetch(await address(app, room, entry, true));
  if (!response.ok) throw new Error(response.statusText);
  return URL.createObjectURL(await response.blob());
}

// Only the address goes; a picture that is on the page keeps its bytes.
function forgetOldest() {
  const [key, url] = kept.entries().next().value;
  kept.delete(key);
  url.then(URL.revokeObjectURL, () => {});
}

function player(tag, app, room, entry) {
  if (entry.kind === 'sent-file') return null;
  const button = el('button.play', {type: 'button', 'aria-label': `Play ${entry.name}`}, icon('play'),
    tag === 'audio' ? 'Listen' : 'Watch');
  button.addEventListener('click', async () => {
    try {
      const media = el(`${tag}.media`, {controls: true, src: await address(app, room, entry, true)});
      button.replaceWith(media);
      await media.play();
    } catch (error) {
      if (button.isConnected) app.tell(error.message);
    }
  });
  return button;
}
