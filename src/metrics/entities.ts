/** A run of words that names one thing. Words are counted from 0, `end` is the first word after it. */
export interface Entity {
  readonly type: string;
  readonly start: number;
  readonly end: number;
}

interface Tag {
  /** `B`, `I`, `E`, `S` or `O`. */
  readonly prefix: string;
  readonly type: string;
}

/**
 * The entities in one row's tags by the lenient rules of conlleval, seqeval's default: IOB1, IOB2 and BIOES alike, and a
 * broken sequence still gives entities (an `I-X` after `O` or after another type begins one).
 */
export function lenientEntities(tags: readonly string[]): Entity[] {
  const entities: Entity[] = [];
  let previous: Tag = { prefix: "O", type: "" };
  let start = 0;
  for (const [word, text] of [...tags, "O"].entries()) {
    const tag = parseTag(text);
    if (endsBefore(previous, tag)) entities.push({ type: previous.type, start, end: word });
    if (startsAt(previous, tag)) start = word;
    previous = tag;
  }
  return entities;
}

function parseTag(text: string): Tag {
  const rest = text.slice(1);
  const type = rest.slice(rest.indexOf("-") + 1);
  return { prefix: text.slice(0, 1), type: type === "" ? "_" : type };
}

const opens = (prefix: string): boolean => prefix === "B" || prefix === "S";
const closes = (prefix: string): boolean => prefix === "E" || prefix === "S";
const isOutside = (prefix: string): boolean => prefix === "O" || prefix === ".";

function endsBefore(previous: Tag, tag: Tag): boolean {
  if (closes(previous.prefix)) return true;
  if (previous.prefix === "B" || previous.prefix === "I") {
    if (opens(tag.prefix) || tag.prefix === "O") return true;
  }
  return !isOutside(previous.prefix) && previous.type !== tag.type;
}

function startsAt(previous: Tag, tag: Tag): boolean {
  if (opens(tag.prefix)) return true;
  const continues = tag.prefix === "I" || tag.prefix === "E";
  if (continues && (closes(previous.prefix) || previous.prefix === "O")) return true;
  return !isOutside(tag.prefix) && previous.type !== tag.type;
}
