// A text as nodes: a safe subset of Markdown. No HTML, no links with other words on them, no
// headings that could pass for the page's own.

import {el} from './dom.js';
import {copy} from './overlay.js';
import {mentions, mentionsAll} from './state.js';

const INLINE = new RegExp([
  '`([^`\\n]+)`',
  '(https?:\\/\\/[^\\s<>"`]+)',
  '\\*\\*(?=\\S)(.{1,500}?)(?<=\\S)\\*\\*',
  '(?<![\\w*])\\*(?=[^\\s*])([^*\\n]{1,500}?)(?<=\\S)\\*(?![\\w*])',
  '(?<![\\w_])_(?=[^\\s_])([^_\\n]{1,500}?)(?<=\\S)_(?![\\w_])',
  '~~(?=\\S)(.{1,500}?)(?<=\\S)~~',
  '(?<![\\w/#&])#([\\p{L}\\p{N}][\\p{L}\\p{N}._-]{0,31})\\/(\\d{1,15})(?![\\w/])',
  '(?<![\\p{L}\\p{N}_@.])@([\\p{L}\\p{N}][\\p{L}\\p{N}._-]{0,31})',
].join('|'), 'gu');
const KINDS = ['code', 'link', 'bold', 'italic', 'italic', 'strike', 'place', 'place', 'mention'];
const NESTING = new Set(['bold', 'italic', 'strike']);
const FENCE = /^\s*```\s*([\w+#.-]{0,20})\s*$/;

// Blocks of a text: {kind: 'text' | 'quote' | 'list', lines: [inlines]} or {kind: 'code', text}.
export function blocks(text) {
  const all = [];
  const lines = text.split('\n');
  for (let at = 0; at < lines.length;) at = block(lines, at, all);
  return all;
}

function block(lines, at, all) {
  const fence = FENCE.exec(lines[at]);
  const end = fence ? closing(lines, at + 1) : -1;
  if (end > 0) {
    all.push({kind: 'code', language: fence[1], text: lines.slice(at + 1, end).join('\n')});
    return end + 1;
  }
  const [kind, rest] = kindOf(lines[at]);
  const last = all.at(-1);
  if (last?.kind === kind) last.lines.push(inlines(rest));
  else all.push({kind, lines: [inlines(rest)]});
  return at + 1;
}

function closing(lines, from) {
  return lines.findIndex((line, index) => index >= from && /^\s*```\s*$/.test(line));
}

function kindOf(line) {
  if (/^> ?/.test(line)) return ['quote', line.replace(/^> ?/, '')];
  if (/^\s*[-*•] \S/.test(line)) return ['list', line.replace(/^\s*[-*•] /, '')];
  return ['text', line];
}

// Pieces of a line: {kind, text}, those of bold and the like with `inside` in place of `text`.
export function inlines(text, depth = 0) {
  const all = [];
  let end = 0;
  for (const match of text.matchAll(INLINE)) {
    if (match.index < end) continue;
    const piece = pieceOf(match, depth);
    if (match.index > end) all.push({kind: 'text', text: text.slice(end, match.index)});
    all.push(piece);
    end = match.index + (piece.length ?? match[0].length);
  }
  if (end < text.length) all.push({kind: 'text', text: text.slice(end)});
  return all;
}

function pieceOf(match, depth) {
  const index = match.slice(1).findIndex((group) => group !== undefined);
  const kind = KINDS[index];
  const text = match[index + 1];
  if (kind === 'link') return link(text);
  if (kind === 'place') return {kind, room: match[index + 1], seq: Number(match[index + 2])};
  if (NESTING.has(kind)) return {kind, inside: depth < 3 ? inlines(text, depth + 1) : [{kind: 'text', text}]};
  return {kind, text};
}

// A link ends before the punctuation of its sentence, and before a bracket that it did not open.
function link(text) {
  let address = text.replace(/[.,;:!?'"*_~…]+$/u, '');
  while (/[)\]]$/.test(address) && unopened(address)) address = address.slice(0, -1);
  return {kind: 'link', text: address, length: address.length};
}

function unopened(address) {
  const [open, close] = address.endsWith(')') ? ['(', ')'] : ['[', ']'];
  return address.split(open).length < address.split(close).length;
}

// The same as words in one line, without the marks.
export const plainText = (text) => blocks(text).map((block) => block.text ?? block.lines.map(wordsOf).join(' '))
  .join(' ');

const wordsOf = (pieces) => pieces.map(({kind, text, inside, room, seq}) => (inside ? wordsOf(inside)
  : kind === 'place' ? `#${room}/${seq}` : kind === 'mention' ? `@${text}` : text)).join('');

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
    el('button.link', {onclick: () => copy(text)}, 'Copy')),
  el('pre', {dir: 'ltr', tabindex: 0, 'aria-label': 'Code'}, el('code', {}, text)));
}

function inline(piece, me) {
  if (piece.kind === 'text') return named(piece.text, me);
  if (piece.kind === 'code') return el('code', {dir: 'ltr'}, piece.text);
  if (piece.kind === 'link') return anchor(piece.text);
  if (piece.kind === 'place') {
    return el('a', {href: `#${piece.room}/${piece.seq}`}, `#${piece.room}/${piece.seq}`);
  }
  if (piece.kind === 'mention') {
    const text = `@${piece.text}`;
    return el(mentions(text, me) || mentionsAll(text) ? 'span.mention.of-me' : 'span.mention', {}, text);
  }
  return el(TAGS[piece.kind], {}, piece.inside.map((each) => inline(each, me)));
}

function anchor(address) {
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
