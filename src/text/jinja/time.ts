import { refuse } from "./fault.js";

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = ["January", "February", "March", "April", "May", "June", "July"].concat([
  "August",
  "September",
  "October",
  "November",
  "December",
]);

const padded = (number: number, digits = 2): string => String(number).padStart(digits, "0");
const hour = (now: Date): number => now.getHours() % 12 || 12;

const PARTS: Readonly<Record<string, (now: Date) => string>> = {
  a: (now) => (DAYS[now.getDay()] as string).slice(0, 3),
  A: (now) => DAYS[now.getDay()] as string,
  b: (now) => (MONTHS[now.getMonth()] as string).slice(0, 3),
  B: (now) => MONTHS[now.getMonth()] as string,
  d: (now) => padded(now.getDate()),
  H: (now) => padded(now.getHours()),
  I: (now) => padded(hour(now)),
  m: (now) => padded(now.getMonth() + 1),
  M: (now) => padded(now.getMinutes()),
  p: (now) => (now.getHours() < 12 ? "AM" : "PM"),
  S: (now) => padded(now.getSeconds()),
  y: (now) => padded(now.getFullYear() % 100),
  Y: (now) => String(now.getFullYear()),
  "%": () => "%",
};

/** Python's `strftime` in the C locale: names are English wherever the program runs. */
export function formatTime(now: Date, format: string): string {
  return format.replace(/%(.?)/gsu, (part, letter: string) => {
    const write = Object.hasOwn(PARTS, letter) ? PARTS[letter] : undefined;
    return write ? write(now) : refuse(`strftime_now() has ${JSON.stringify(part)}, which is not known`);
  });
}
