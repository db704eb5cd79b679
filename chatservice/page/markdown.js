// A safe subset of Markdown, as a tree of plain objects: no HTML, no links with other words on
// them, no headings that could pass for the page's own.

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
