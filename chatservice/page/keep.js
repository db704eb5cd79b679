// What the browser keeps: preferences and a login for good, a guest's session for this tab. A
// browser may forbid storage altogether; then nothing is kept, and everything else works.

function read(storage, name) {
  try {
    return JSON.parse(storage().getItem(`chat.${name}`));
  } catch {
    return null;
  }
}

function write(storage, name, value) {
  try {
    if (value === null) storage().removeItem(`chat.${name}`);
    else storage().setItem(`chat.${name}`, JSON.stringify(value));
  } catch {
    // Full or forbidden: the page goes on without.
  }
}

// Functions, because a browser that forbids storage raises at the name itself.
const local = () => localStorage;
const tab = () => sessionStorage;

export const forGood = {
  get: (name) => read(local, name),
  set: (name, value) => write(local, name, value),
};

export const forTab = {
  get: (name) => read(tab, name),
  set: (name, value) => write(tab, name, value),
};

const DEFAULTS = {theme: 'auto', people: true, typing: true, notify: false, sound: false,
  density: 'roomy'};

export const preferences = {
  all: {...DEFAULTS, ...forGood.get('preferences')},
  set(name, value) {
    this.all[name] = value;
    forGood.set('preferences', this.all);
  },
};

// Random characters of base64url. crypto.randomUUID is missing on plain http; this is not.
export function random(length = 20) {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return [...crypto.getRandomValues(new Uint8Array(length))].map((byte) => letters[byte & 63])
    .join('');
}
