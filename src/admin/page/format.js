// Numbers with their units and times, for people.

import { h } from "./dom.js";

const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });
const places = (digits) => new Intl.NumberFormat(undefined, { minimumFractionDigits: digits, maximumFractionDigits: digits });
const hundredths = places(2);
const NONE = "–";

const isKnown = (value) => value !== undefined && value !== null && !Number.isNaN(value);

export const count = (n) => (isKnown(n) ? whole.format(n) : NONE);

/** Something counted, in the singular or plural. */
export const counted = (n, one, many = one + "s") => `${count(n)} ${n === 1 ? one : many}`;

/** Records a second. */
export const rate = (n) => (isKnown(n) ? `${(n < 100 ? tenths : whole).format(n)} records/s` : NONE);

/** Records a second, where there is little room. */
export const shortRate = (n) => `${tenths.format(n)}/s`;

/** A length, from milliseconds, in the unit that suits it. */
export function length(ms) {
  if (!isKnown(ms)) return NONE;
  if (ms < 1000) return `${whole.format(ms)} ms`;
  const s = ms / 1000;
  if (s < 60) return `${(Number.isInteger(s) ? whole : s < 10 ? hundredths : tenths).format(s)} s`;
  const [d, hours, min, sec] = [Math.floor(s / 86400), Math.floor(s / 3600) % 24, Math.floor(s / 60) % 60, Math.floor(s) % 60];
  if (d) return `${whole.format(d)} d ${hours} h`;
  return hours ? `${hours} h ${min} min` : `${min} min ${sec} s`;
}

/** A setting's length: no more digits than it has. */
export function interval(ms) {
  if (!isKnown(ms)) return NONE;
  if (ms < 1000) return `${ms} ms`;
  return ms % 60000 === 0 ? `${ms / 60000} min` : `${ms / 1000} s`;
}

export function bytes(n) {
  if (!isKnown(n)) return NONE;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const step = n < 1024 ? 0 : Math.min(Math.floor(Math.log2(n) / 10), units.length - 1);
  return `${(step ? tenths : whole).format(n / 1024 ** step)} ${units[step]}`;
}

const two = (n) => String(n).padStart(2, "0");

/** The local time of day; with the date when it isn't today's, with milliseconds when there are any. */
export function clock(ms) {
  const time = new Date(ms);
  const fraction = ms % 1000 ? "." + String(ms % 1000).padStart(3, "0") : "";
  const day = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())} `;
  const isToday = time.toDateString() === new Date().toDateString();
  return `${isToday ? "" : day}${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}${fraction}`;
}

export const utc = (ms) => new Date(ms).toISOString().replace("T", " ").replace("Z", " UTC");

/** An element with the local time, and UTC as its title. */
export const moment = (ms) => (isKnown(ms)
  ? h("time", { datetime: new Date(ms).toISOString(), title: utc(ms) }, clock(ms)) : NONE);
