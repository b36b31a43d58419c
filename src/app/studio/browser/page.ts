// The page: showing another one in its place, and what is said about the connection.
import { Idiomorph } from "idiomorph";

const options = {
  morphStyle: "innerHTML",
  ignoreActiveValue: true,
  callbacks: {
    // What a reader has opened stays open.
    beforeAttributeUpdated: (name: string, node: Element) => !(name === "open" && node instanceof HTMLDetailsElement),
    // What the script has put into a part of its own stays.
    beforeNodeMorphed: (old: Node) => !(old instanceof HTMLElement && old.dataset.kept !== undefined),
  },
} as const;

/** Listeners that prepare what a new page has. */
const listeners: (() => void)[] = [];

/** Calls it now, and after each change of the page. */
export function onPage(listener: () => void): void {
  listeners.push(listener);
  listener();
}

/** Shows a page of the server in place of this one. @param url its address, if that is another one */
export function show(source: string, url?: string): void {
  const page = new DOMParser().parseFromString(source, "text/html");
  const before = location.pathname;
  if (url !== undefined && url !== location.href) history.pushState(undefined, "", url);
  document.title = page.title;
  document.body.dataset.topics = page.body.dataset.topics ?? "";
  Idiomorph.morph(document.body, page.body.innerHTML, options);
  if (location.pathname !== before) {
    scrollTo(0, 0);
    document.getElementById("main")?.focus();
  }
  for (const listener of listeners) listener();
}

/** Fetches this page again. */
export async function renew(): Promise<void> {
  const { href } = location;
  const answer = await fetch(href, { headers: { accept: "text/html" } });
  if (answer.ok && location.href === href) show(await answer.text());
}

export const LOST = "The connection to the studio is lost: is it still running? This page shows the last known state.";

export function say(text: string): void {
  const line = document.getElementById("connection");
  if (line) line.textContent = text;
}

// Back and forward show the page of that address.
addEventListener("popstate", () => renew().catch(() => say(LOST)));
