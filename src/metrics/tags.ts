import { type Entity, lenientEntities } from "./entities.js";
import { strictEntities, type TagScheme } from "./strictEntities.js";

/** How entities are found in tags: by the lenient rules of conlleval, or strictly by a scheme. */
export type EntityRules = "lenient" | TagScheme;

/**
 * By which rules labels mark entities; undefined where they mark none, as parts of speech do. IOB1, IOB2 and BIOES are read leniently.
 * BILOU, which conlleval doesn't know, is read strictly, and only where no label is of BIOES alone: a set with the ends of both says of
 * neither which it is.
 */
export function entityRulesOf(labels: readonly string[]): EntityRules | undefined {
  if (labels.every((label) => isTag(label, "BIES"))) return "lenient";
  return labels.every((label) => isTag(label, "BILU")) ? "BILOU" : undefined;
}

/** Whether the labels mark entities, but with ends of BIOES and of BILOU, so that nothing says how to read them. */
export const mixesEnds = (labels: readonly string[]): boolean =>
  entityRulesOf(labels) === undefined && labels.every((label) => isTag(label, "BIESLU"));

const isTag = (label: string, prefixes: string): boolean =>
  label === "O" || (prefixes.includes(label.slice(0, 1)) && /^.-./.test(label));

/** The entities in one row's tags. @throws BidoraError `METRIC_TAG` for a tag outside a strict scheme */
export const entitiesBy = (rules: EntityRules, tags: readonly string[]): Entity[] =>
  rules === "lenient" ? lenientEntities(tags) : strictEntities(tags, rules);
