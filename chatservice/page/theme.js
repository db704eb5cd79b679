// Dark or light: as the system says, unless the user chose.

import {preferences} from './keep.js';

export function applyTheme() {
  const {theme} = preferences.all;
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}
