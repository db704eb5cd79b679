// The service worker: opens the page without the server, and shows push messages. The server puts two
// lines before these: VERSION, which changes with the files, and FILES, whose paths change with it.

const here = (path) => new URL(path, self.registration.scope).href;
const KEPT = new Set(FILES.map(here));

addEventListener('install', (event) => event.waitUntil(keep()));
addEventListener('activate', (event) => event.waitUntil(dropOlder()));
addEventListener('fetch', (event) => {
  const {method, mode, url} = event.request;
  if (method !== 'GET') return;
  if (KEPT.has(url)) event.respondWith(kept(event.request));
  else if (mode === 'navigate' && url.split(/[?#]/)[0] === here('./')) event.respondWith(page(event.request));
});

addEventListener('push', (event) => event.waitUntil(notify(event.data.json())));
addEventListener('notificationclick', (event) => event.waitUntil(lead(event.notification)));

// Without cookies the page comes without anybody's talk.
async function keep() {
  const cache = await caches.open(VERSION);
  await cache.addAll([...KEPT, new Request('./', {credentials: 'omit', cache: 'reload'})]);
  await self.skipWaiting();
}

async function dropOlder() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name !== VERSION).map((name) => caches.delete(name)));
  await self.clients.claim();
}

async function kept(request) {
  return await caches.match(request) ?? fetch(request);
}

// The page of the server, which is the newest; without a server, the one that is kept.
async function page(request) {
  try {
    return await fetch(request);
  } catch (error) {
    const found = await caches.match('./');
    if (found) return found;
    throw error;
  }
}

const pages = () => clients.matchAll({type: 'window'});

// A page in front shows the entry itself.
async function notify({from, room, seq, text}) {
  if ((await pages()).some(({focused}) => focused)) return;
  await registration.showNotification(room.startsWith('@') ? from : `${from} in ${room}`, {body: text,
    tag: room.toLowerCase(), icon: here('static/icon-192.png'), data: {room, seq}});
}

// Leads to the talk: in the page that was in front last, or in a new one.
async function lead(notification) {
  const {room, seq} = notification.data;
  notification.close();
  const [open] = await pages();
  if (!open) return clients.openWindow(here(`./#${encodeURIComponent(room)}/${seq}`));
  open.postMessage({room, seq});
  return open.focus();
}
