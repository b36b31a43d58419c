import { BidoraError } from "../common/errors.js";
import type { Entity } from "./entities.js";

/** How tags mark entities: `IOB1` (B only between neighbours of one type), `IOB2` (B always), `BIOES` (E ends, S alone), `BILOU` (L ends, U alone). */
export type TagScheme = "IOB1" | "IOB2" | "BIOES" | "BILOU";

interface Tag {
  readonly prefix: string;
  readonly type: string;
}

/** Two neighbouring tags: does the second begin, continue, or (for the first) close an entity? */
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

/** Entities whose last word, and whose only word, have a prefix of their own. */
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
 * The entities in one row's tags that keep to the scheme, as seqeval's `mode="strict"`; a broken sequence gives none.
 * Throws METRIC_TAG for a tag whose first letter the scheme does not have.
 */
export function strictEntities(tags: readonly string[], scheme: TagScheme): Entity[] {
  const rules = SCHEMES[scheme];
  const outside: Tag = { prefix: "O", type: "_" };
  const parsed = [...tags.map((tag) => parseTag(tag, scheme)), outside];
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

function parseTag(text: string, scheme: TagScheme): Tag {
  const prefix = text.slice(0, 1);
  if (prefix === "" || !SCHEMES[scheme].prefixes.includes(prefix)) {
    throw new BidoraError(
      "METRIC_TAG",
      `Expected ${scheme} tags, which begin with one of ${[...SCHEMES[scheme].prefixes].join(", ")}; "${text}" came. Name the scheme that the labels follow.`,
    );
  }
  const type = text.slice(1).replace(/^-+|-+$/g, "");
  return { prefix, type: type === "" ? "_" : type };
}
