// A text as nodes: what markdown.js understood, and names and places made into links.

import {el} from './dom.js';
import {blocks} from './markdown.js';
import {mentions} from './state.js';
import {copy} from './overlay.js';

const TAGS = {bold: 'strong', italic: 'em', strike: 's'};
const ONLY_EMOJI = /^(?:\p{Extended_Pictographic}|\p{Emoji_Component}|\s){1,16}$/u;

// `me` is the user's name: it is marked where it stands.
export function richText(text, me) {
  const big = /\p{Extended_Pictographic}/u.test(text) && ONLY_EMOJI.test(text);
  return el(big ? '.text.big' : '.text', {dir: 'auto'}, blocks(text).map((block) => made(block, me)));
}

function made(block, me) {
  if (block.kind === 'code') return code(block);
  if (block.kind === 'list') {
    return el('ul', {}, block.lines.map((line) => el('li', {dir: 'auto'}, line.map((piece) => inline(piece, me)))));
  }
  const lines = block.lines.map((line, index) =>
    [index ? el('br') : null, line.map((piece) => inline(piece, me))]);
  return el(block.kind === 'quote' ? 'blockquote' : 'p', {dir: 'auto'}, lines);
}

function code({language, text}) {
  return el('.code', {}, el('.code-head', {}, el('span', {}, language || 'code'),
    el('button.link', {type: 'button', onclick: () => copy(text)}, 'Copy')),
  el('pre', {dir: 'ltr', tabindex: 0, 'aria-label': 'Code'}, el('code', {}, text)));
}

function inline(piece, me) {
  if (piece.kind === 'text') return named(piece.text, me);
  if (piece.kind === 'code') return el('code', {dir: 'ltr'}, piece.text);
  if (piece.kind === 'link') return link(piece.text);
  if (piece.kind === 'place') {
    return el('a', {href: `#${piece.room}/${piece.seq}`}, `#${piece.room}/${piece.seq}`);
  }
  if (piece.kind === 'mention') {
    return el(mentions(piece.text, me) ? 'span.mention.of-me' : 'span.mention', {}, `@${piece.text}`);
  }
  return el(TAGS[piece.kind], {}, piece.inside.map((each) => inline(each, me)));
}

function link(address) {
  return el('a', {href: address, target: '_blank', rel: 'noreferrer noopener', dir: 'ltr'}, address);
}

// The own name stands out also where nobody wrote @ before it.
function named(text, me) {
  if (!mentions(text, me)) return text;
  const at = text.toLowerCase().indexOf(me.toLowerCase());
  if (at < 0) return text;
  const end = at + me.length;
  return [text.slice(0, at), el('span.mention.of-me', {}, text.slice(at, end)), text.slice(end)];
}
