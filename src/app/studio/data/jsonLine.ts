/** The line of a row as it is written: its values' places in it, so that what is not changed stays to the letter. */

type Span = readonly [from: number, to: number];

/** Where the values of a line that is a JSON object are, by their names. */
function spansIn(line: string): ReadonlyMap<string, Span> {
  const spans = new Map<string, Span>();
  let [depth, from] = [0, -1];
  let name: string | undefined;
  for (let i = 0; i < line.length; i++) {
    const sign = line[i]!;
    if (sign === '"') {
      const end = endOfText(line, i);
      if (depth === 1 && name === undefined) name = JSON.parse(line.slice(i, end));
      i = end - 1;
    } else if (sign === ":" && depth === 1) from = i + 1;
    else if (sign === "{" || sign === "[") depth++;
    else {
      const isEnd = sign === "}" || sign === "]";
      if (isEnd) depth--;
      if (name === undefined || !(isEnd ? depth === 0 : sign === "," && depth === 1)) continue;
      spans.set(name, trimmed(line, from, i));
      name = undefined;
    }
  }
  return spans;
}

function endOfText(line: string, start: number): number {
  let i = start + 1;
  while (line[i] !== '"') i += line[i] === "\\" ? 2 : 1;
  return i + 1;
}

function trimmed(line: string, from: number, to: number): Span {
  const text = line.slice(from, to);
  const start = from + text.length - text.trimStart().length;
  return [start, start + text.trim().length];
}

/** The values of a line as they are written. */
export function sourcesIn(line: string): ReadonlyMap<string, string> {
  return new Map([...spansIn(line)].map(([name, span]) => [name, line.slice(...span)]));
}

/** The line with other values, given as JSON; new ones are at its end. */
export function withValues(line: string, values: ReadonlyMap<string, string>): string {
  const spans = spansIn(line);
  const known = [...values].filter(([name]) => spans.has(name));
  let changed = line;
  for (const [name, json] of known.sort(([a], [b]) => spans.get(b)![0] - spans.get(a)![0])) {
    const [from, to] = spans.get(name)!;
    changed = changed.slice(0, from) + json + changed.slice(to);
  }
  const added = [...values]
    .filter(([name]) => !spans.has(name))
    .map(([name, json]) => `${JSON.stringify(name)}: ${json}`);
  if (added.length === 0) return changed;
  const body = changed.slice(0, changed.lastIndexOf("}")).trimEnd();
  return `${body}${spans.size > 0 ? ", " : ""}${added.join(", ")}}`;
}

const TEXTS = /"[^"\\]*(?:\\.[^"\\]*)*"/g;

/** Whether all numbers of a JSON text are as JavaScript writes them: not those with more digits than it holds, and not 1.0. */
const isExact = (json: string): boolean =>
  (json.replace(TEXTS, "").match(/[\d.eE+-]*\d[\d.eE+-]*/g) ?? []).every((number) => String(Number(number)) === number);

/** A JSON value as it is shown to be changed. */
export const shownJson = (source: string): string =>
  isExact(source) ? JSON.stringify(JSON.parse(source), undefined, 1) : source;

/** A JSON value for a line. Two that are written alike are equal. @throws SyntaxError for what is no JSON */
export function lineJson(typed: string): string {
  const value: unknown = JSON.parse(typed);
  return isExact(typed) ? JSON.stringify(value) : typed.trim().replace(/\s*[\r\n]+\s*/g, " ");
}

/** A text as a form of a browser sends it, but for the kind of its line breaks. */
export const asSent = (text: string): string =>
  text
    .replace(/\r\n?/g, "\n")
    .replaceAll("\0", "\uFFFD")
    .replace(/\p{Surrogate}/gu, "\uFFFD");

/** A text that was typed in place of another, with its line breaks. */
export const withBreaksOf = (before: string, typed: string): string =>
  /\r\n/.test(before) && !/(?<!\r)\n/.test(before) ? typed.replaceAll("\n", "\r\n") : typed;
