// The members of objects and the items of lists, as expressions of a grammar.

import { oneOfWays } from "./literalRules.js";
import { wrong } from "./schemaKeywords.js";

/** Adds a rule, which may refer to itself. @returns its name */
type AddRule = (text: string | ((name: string) => string)) => string;

/** A property: the text of its key, and the rule of its value. */
interface Member {
  readonly key: string;
  readonly value: string;
  readonly isNeeded: boolean;
}

/** The most ways in which the members of an object may go on. */
const MOST_WAYS = 5000;

/** An object with these members, in their order. @param path of its schema */
export function membersOf(members: readonly Member[], addRule: AddRule, path: readonly string[]): string {
  /** By index: what follows the members before. */
  const rests: string[] = [];
  let next: string | undefined;
  let count = 0;
  /** The first member from `at` on that is needed. */
  let needed = -1;
  for (let at = members.length; at >= 0; at--) {
    if (members[at]?.isNeeded) needed = at;
    const possible = members.slice(at, needed < 0 ? undefined : needed + 1);
    count += possible.length;
    if (count > MOST_WAYS) throw wrong([...path, "properties"], "has too many optional properties");
    const ways = possible.map(({ key, value }, i) => ({ text: key, after: `${value} ${rests[at + i + 1]}` }));
    next = ways.length > 0 ? oneOfWays(ways, addRule) : undefined;
    const further = [...(next === undefined ? [] : [`"," ws ${next}`]), ...(needed < 0 ? ['ws "}"'] : [])];
    rests[at] = addRule(further.join(" | "));
  }
  const isOptional = members.every(({ isNeeded }) => !isNeeded);
  return `"{" ws ${isOptional ? addRule(`"}" | ${next}`) : next}`;
}

/** `fewest` to `more` further items after one, or after the start, and the end of the list. */
export function itemsOf(
  item: string,
  isFirst: boolean,
  [fewest, more]: readonly [fewest: number, more: number],
  addRule: AddRule,
): string {
  const end = isFirst ? '"]"' : 'ws "]"';
  const next = isFirst ? item : `"," ws ${item}`;
  if (more === 0) return addRule(end);
  if (fewest === 0 && more === Number.POSITIVE_INFINITY && !isFirst) return addRule((own) => `${next} ${own} | ${end}`);
  const rest = itemsOf(item, false, [Math.max(0, fewest - 1), more - 1], addRule);
  return addRule(fewest > 0 ? `${next} ${rest}` : `${next} ${rest} | ${end}`);
}
