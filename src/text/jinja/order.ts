import { refuse } from "./fault.js";
import { isEqual, isList, isNumber, kindOf, numberLike, Range, type Value } from "./values.js";

/** Which of two values Python has first, below 0 for the first. @throws TemplateFault for values that it does not order */
export function compare(a: Value, b: Value): number {
  const [x, y] = [numberLike(a), numberLike(b)];
  if (isNumber(x) && isNumber(y)) return Number(x > y) - Number(x < y);
  if (typeof a === "string" && typeof b === "string") return byCodePoints(a, b);
  if (isList(a) && isList(b) && a.constructor === b.constructor && !(a instanceof Range)) return compareLists(a, b);
  return refuse(`it orders ${kindOf(a)} and ${kindOf(b)}`);
}

function compareLists(a: readonly Value[], b: readonly Value[]): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    // Python looks whether items are equal before it orders them.
    if (!isEqual(a[i], b[i])) return compare(a[i], b[i]);
  }
  return a.length - b.length;
}

/** JavaScript compares UTF-16 units, Python characters. */
export function byCodePoints(a: string, b: string): number {
  let at = 0;
  while (at < a.length && at < b.length && a.charCodeAt(at) === b.charCodeAt(at)) at++;
  if (at === Math.min(a.length, b.length)) return a.length - b.length;
  // Of two characters that begin alike, the second halves are in the order of the characters.
  return (a.codePointAt(at) as number) - (b.codePointAt(at) as number);
}
