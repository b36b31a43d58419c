const MOST = 80;

/** A value as messages show it: short, and whatever it is. */
export function shown(value: unknown): string {
  if (typeof value === "string") return short(JSON.stringify(value), "a text");
  if (typeof value === "function") return "a function";
  if (typeof value !== "object" || value === null) return String(value);
  if (Array.isArray(value)) return short(json(value), `a list of ${value.length}`);
  const name: unknown = value.constructor?.name;
  return !name || name === "Object" ? short(json(value), "an object") : withArticle(String(name));
}

const withArticle = (name: string): string => `${/^[aeiou]/i.test(name) ? "an" : "a"} ${name}`;

function short(text: string | undefined, what: string): string {
  if (text === undefined) return what;
  return text.length <= MOST ? text : `${what} that begins ${text.slice(0, MOST)}`;
}

/** Undefined for what JSON does not take: cycles, big integers. */
function json(value: object): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}
