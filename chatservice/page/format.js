// Times, sizes and colours, as people read them.

const CLOCK = new Intl.DateTimeFormat(undefined, {hour: '2-digit', minute: '2-digit'});
const DAY = new Intl.DateTimeFormat(undefined, {weekday: 'long', day: 'numeric', month: 'long'});
const WHOLE = new Intl.DateTimeFormat(undefined, {dateStyle: 'full', timeStyle: 'medium'});
const DATE = new Intl.DateTimeFormat(undefined, {day: 'numeric', month: 'short'});
const UNITS = ['bytes', 'kB', 'MB', 'GB', 'TB'];

export const clock = (time) => CLOCK.format(time);
// The same without AM and PM, for a narrow column.
export const shortClock = (time) => CLOCK.formatToParts(time)
  .filter(({type}) => type !== 'dayPeriod').map(({value}) => value).join('').trim();
export const wholeTime = (time) => WHOLE.format(time);

export function dayKey(time) {
  const date = new Date(time);
  return `${date.getFullYear()}-${date.getMonth()}-${date.getDate()}`;
}

export function dayName(time, now = Date.now()) {
  if (dayKey(time) === dayKey(now)) return 'Today';
  if (dayKey(time) === dayKey(now - 86400000)) return 'Yesterday';
  const day = DAY.format(time);
  const year = new Date(time).getFullYear();
  return year === new Date(now).getFullYear() ? day : `${day} ${year}`;
}

// The time of today, else the day; the year only if it is another one.
export function shortTime(time, now = Date.now()) {
  if (dayKey(time) === dayKey(now)) return clock(time);
  const year = new Date(time).getFullYear();
  return `${DATE.format(time)}${year === new Date(now).getFullYear() ? '' : ` ${year}`}, ${clock(time)}`;
}

export function size(bytes) {
  let unit = 0;
  let number = bytes;
  while (number >= 1000 && unit < UNITS.length - 1) [number, unit] = [number / 1000, unit + 1];
  return `${unit && number < 10 ? number.toFixed(1) : Math.round(number)} ${UNITS[unit]}`;
}

export function duration(seconds) {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

// A hue in degrees; the same name has the same one everywhere. Steps keep neighbours apart.
export function hue(name) {
  let sum = 7;
  for (const letter of name.toLowerCase()) sum = (sum * 31 + letter.codePointAt(0)) % 100003;
  return (sum % 24) * 15 + 5;
}

export function initial(name) {
  return [...name][0].toUpperCase();
}

export function count(number, exact = true) {
  return number > 99 ? '99+' : `${number}${exact ? '' : '+'}`;
}

export function listed(names, most = 4) {
  const first = names.slice(0, most);
  const rest = names.length - first.length;
  if (rest) return `${first.join(', ')} and ${rest} more`;
  return first.length < 2 ? first.join('') : `${first.slice(0, -1).join(', ')} and ${first.at(-1)}`;
}
