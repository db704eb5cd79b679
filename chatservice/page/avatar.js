// A round letter in the colour of a name.

import {el} from './dom.js';
import {hue, initial} from './format.js';

export function avatar(name) {
  return el('span.avatar', {hue: hue(name), 'aria-hidden': 'true'}, initial(name));
}
