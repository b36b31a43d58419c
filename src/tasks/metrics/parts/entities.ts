/** Entities in one example's tags: by conlleval's lenient rules, or strictly by a tagging scheme, as seqeval finds them. */
import { BidoraError } from "../../../base/index.js";

/** A span of words that is an entity. Words are counted from 0; `end` is the first word after it. */
export interface Entity {
  readonly type: string;
  readonly start: number;
  readonly end: number;
}

/** How tags mark entities: `IOB1` (B only between adjacent entities of one type), `IOB2` (B always), `BIOES` (E ends, S alone), `BILOU` (L ends, U alone). */
export type TagScheme = "IOB1" | "IOB2" | "BIOES" | "BILOU";

/** How entities are read from tags: by the lenient rules of conlleval, or strictly by a scheme. */
export type EntityRules = "lenient" | TagScheme;

/** The entities in one example's tags. @throws BidoraError `METRIC_TAG` for a tag outside a strict scheme */
export const entitiesBy = (rules: EntityRules, tags: readonly string[]): Entity[] =>
  rules === "lenient" ? lenientEntities(tags) : strictEntities(tags, rules);

/** Identifies an entity within its example. */
export const entityKey = ({ type, start, end }: Entity): string => `${start} ${end} ${type}`;

/**
 * The rules for a set of labels; undefined if the labels mark no entities, as for parts of speech. IOB1, IOB2 and BIOES are read
 * leniently. BILOU, which conlleval doesn't know, is read strictly, and only where no label is specific to BIOES: a set with both
 * schemes' ends is ambiguous.
 */
export function entityRulesOf(labels: readonly string[]): EntityRules | undefined {
  if (labels.every((label) => isTag(label, "BIES"))) return "lenient";
  return labels.every((label) => isTag(label, "BILU")) ? "BILOU" : undefined;
}

/** Whether the labels mark entities with ends of both BIOES and BILOU, so that they can't be read. */
export const mixesEnds = (labels: readonly string[]): boolean =>
  entityRulesOf(labels) === undefined && labels.every((label) => isTag(label, "BIESLU"));

const isTag = (label: string, prefixes: string): boolean =>
  label === "O" || (prefixes.includes(label.slice(0, 1)) && /^.-./.test(label));

interface Tag {
  readonly prefix: string;
  readonly type: string;
}

/**
 * The entities in one example's tags by the lenient rules of conlleval, seqeval's default: IOB1, IOB2 and BIOES alike. A malformed
 * sequence has entities, too: an `I-X` after `O` or after another type begins one.
 */
export function lenientEntities(tags: readonly string[]): Entity[] {
  const entities: Entity[] = [];
  let previous: Tag = { prefix: "O", type: "" };
  let start = 0;
  for (const [word, text] of [...tags, "O"].entries()) {
    const tag = lenientTag(text);
    if (endsBefore(previous, tag)) entities.push({ type: previous.type, start, end: word });
    if (startsAt(previous, tag)) start = word;
    previous = tag;
  }
  return entities;
}

function lenientTag(text: string): Tag {
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

/** For two neighboring tags: does the second begin or continue an entity, does the first end one? */
interface SchemeRules {
  readonly prefixes: string;
  starts(previous: Tag, tag: Tag): boolean;
  continues(previous: Tag, tag: Tag): boolean;
  ends(previous: Tag, tag: Tag): boolean;
}

const same = (a: Tag, b: Tag): boolean => a.type === b.type;
const isInside = (tag: Tag): boolean => tag.prefix === "B" || tag.prefix === "I";
const iobContinues = (previous: Tag, tag: Tag): boolean =>
  isInside(previous) && tag.prefix === "I" && same(previous, tag);

/** A scheme with separate prefixes for an entity's last word and for an entity of one word. */
const withEnds = (last: string, alone: string): SchemeRules => ({
  prefixes: `IOB${last}${alone}`,
  starts: (_, tag) => tag.prefix === "B" || tag.prefix === alone,
  continues: (previous, tag) =>
    isInside(previous) && (tag.prefix === "I" || tag.prefix === last) && same(previous, tag),
  ends: (previous) => previous.prefix === last || previous.prefix === alone,
});

const SCHEMES: Readonly<Record<TagScheme, SchemeRules>> = {
  IOB1: {
    prefixes: "IOB",
    starts(previous, tag) {
      if (tag.prefix === "B") return isInside(previous) && same(previous, tag);
      if (tag.prefix !== "I") return false;
      return previous.prefix !== "I" || !same(previous, tag);
    },
    continues: iobContinues,
    ends(previous, tag) {
      if (!isInside(previous)) return false;
      if (tag.prefix === "O") return true;
      if (tag.prefix === "I") return !same(previous, tag);
      return previous.prefix === "I" || same(previous, tag);
    },
  },
  IOB2: {
    prefixes: "IOB",
    starts: (_, tag) => tag.prefix === "B",
    continues: iobContinues,
    ends: (previous, tag) => isInside(previous) && !iobContinues(previous, tag),
  },
  BIOES: withEnds("E", "S"),
  BILOU: withEnds("L", "U"),
};

/**
 * The entities in one example's tags that follow the scheme, as seqeval's `mode="strict"`; malformed ones are left out.
 * Throws METRIC_TAG for a tag whose prefix the scheme does not have.
 */
export function strictEntities(tags: readonly string[], scheme: TagScheme): Entity[] {
  const rules = SCHEMES[scheme];
  const outside: Tag = { prefix: "O", type: "_" };
  const parsed = [...tags.map((tag) => strictTag(tag, scheme)), outside];
  const entities: Entity[] = [];
  let previous = outside;
  for (let word = 0; word < parsed.length; previous = parsed[word - 1]!) {
    if (!rules.starts(previous, parsed[word]!)) {
      word++;
      continue;
    }
    let end = word + 1;
    while (rules.continues(parsed[end - 1]!, parsed[end]!)) end++;
    if (rules.ends(parsed[end - 1]!, parsed[end]!)) entities.push({ type: parsed[word]!.type, start: word, end });
    word = end;
  }
  return entities;
}

function strictTag(text: string, scheme: TagScheme): Tag {
  const prefix = text.slice(0, 1);
  if (prefix === "" || !SCHEMES[scheme].prefixes.includes(prefix)) {
    throw new BidoraError(
      "METRIC_TAG",
      `Expected ${scheme} tags, which begin with one of ${[...SCHEMES[scheme].prefixes].join(", ")}; got "${text}". Name the scheme that the labels follow.`,
    );
  }
  const type = text.slice(1).replace(/^-+|-+$/g, "");
  return { prefix, type: type === "" ? "_" : type };
}
