// The beginning: shows who is remembered, or asks for a name.

import {App} from './app.js';
import {applyTheme} from './theme.js';

applyTheme();
new App(document.getElementById('page')).start();
