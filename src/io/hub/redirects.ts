import { type HubQuestion, unreachable } from "./errors.js";

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const MOST_REDIRECTS = 10;

/** An answer, and the address that gave it. */
export interface Answer {
  readonly response: Response;
  readonly url: URL;
}

/**
 * Follows redirects one by one. `fetch` could, but says of one that it does not follow only that it failed.
 * @throws BidoraError `HUB_UNREACHABLE` that names the redirect
 */
export async function throughRedirects(
  question: HubQuestion,
  first: URL,
  ask: (url: URL) => Promise<Response>,
): Promise<Answer> {
  let url = first;
  for (let followed = 0; ; followed++) {
    const response = await ask(url);
    const location = REDIRECTS.has(response.status) ? response.headers.get("Location") : null;
    if (location === null) return { response, url };
    await response.body?.cancel();
    url = nextOf(question, url, location);
    if (followed === MOST_REDIRECTS)
      throw unreachable(
        question,
        `redirects ${asked(question)} more than ${MOST_REDIRECTS} times, last to ${placeOf(url)}`,
      );
  }
}

function nextOf(question: HubQuestion, url: URL, location: string): URL {
  if (!URL.canParse(location, url.href)) throw notFollowed(question, "something that is not an address");
  const next = new URL(location, url);
  if (next.protocol !== "http:" && next.protocol !== "https:")
    throw notFollowed(question, `a ${next.protocol} address, where http: or https: is expected`);
  if (next.username !== "" || next.password !== "")
    throw notFollowed(question, `${placeOf(next)} with a user name or password in the address`);
  return next;
}

const notFollowed = (question: HubQuestion, where: string) =>
  unreachable(question, `redirects ${asked(question)} to ${where}`);

const asked = ({ file }: HubQuestion): string => file ?? "the request";

/** An address as it may be shown: what follows the path may be a signature. */
export const placeOf = ({ origin, pathname }: URL): string => origin + pathname;
