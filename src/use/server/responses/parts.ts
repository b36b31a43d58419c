/** Long responses, written without holding up other requests. */
import { setImmediate as nextTurn } from "node:timers/promises";

/**
 * A response as JSON. Others have their turn between the entries of its list.
 * @param response with the list empty @param list its name
 */
export async function jsonInParts(response: object, list: string, entries: Iterable<object>): Promise<string> {
  const written: string[] = [];
  for (const entry of entries) {
    written.push(JSON.stringify(entry));
    await nextTurn();
  }
  const name = JSON.stringify(list);
  const [before, after] = JSON.stringify(response).split(`${name}:[]`);
  return `${before}${name}:[${written.join(",")}]${after}`;
}
