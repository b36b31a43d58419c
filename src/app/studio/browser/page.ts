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

/** The sentence on a form that was refused, which stays until the next form is sent; and that form, where there is one. */
let problem: string | undefined;
let refusedForm: HTMLFormElement | undefined;

export const isRefused = (): boolean => problem !== undefined;

export function forgetProblem(): void {
  problem = undefined;
}

/** How a page comes. */
interface Shown {
  /** Its address, if that may be another one. */
  readonly url?: string | undefined;
  /** The form that it answers, whose controls take the page's values. */
  readonly answered?: HTMLFormElement | undefined;
  /** Whether it says why that form, or a file, was refused: the controls keep theirs. */
  readonly isRefusal?: boolean;
}

/** Shows a page of the server in place of this one. What was typed and not sent yet stays. */
export function show(source: string, { url, answered, isRefusal = false }: Shown = {}): void {
  const page = new DOMParser().parseFromString(source, "text/html");
  const before = location.pathname;
  if (url !== undefined && url !== location.href) history.pushState(undefined, "", url);
  document.title = page.title;
  document.body.dataset.topics = page.body.dataset.topics ?? "";
  const isSame = location.pathname === before;
  const left = isRefusal || !answered ? [] : [answered, refusedForm];
  const restore = isSame ? changedControls(left) : [];
  Idiomorph.morph(document.body, page.body.innerHTML, options);
  for (const again of restore) again();
  if (isRefusal) refusedForm = answered;
  if (!isSame) {
    problem = undefined;
    scrollTo(0, 0);
    document.getElementById("main")?.focus();
  }
  keepProblem(isRefusal);
  for (const listener of listeners) listener();
}

function keepProblem(isRefusal: boolean): void {
  const place = document.getElementById("problem");
  if (!place) return;
  if (isRefusal) problem = place.innerHTML;
  else if (problem !== undefined && place.innerHTML !== problem) place.innerHTML = problem;
}

/** For each control that a reader has changed, what changes it again. @param left forms whose controls are left out */
function changedControls(left: readonly (HTMLFormElement | undefined)[]): (() => void)[] {
  const controls = document.querySelectorAll<Control>("input, textarea, select");
  return [...controls]
    .filter(({ form }) => form === null || !left.includes(form))
    .flatMap((control) => changed(control));
}

type Control = HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement;

function changed(control: Control): (() => void)[] {
  if (control instanceof HTMLSelectElement) {
    const options = [...control.options];
    const own = options.findIndex(({ defaultSelected }) => defaultSelected);
    const { value, selectedIndex } = control;
    return selectedIndex === Math.max(0, own) ? [] : [() => set(control, { value })];
  }
  if (control.type === "file") return [];
  if (control instanceof HTMLInputElement && ["checkbox", "radio"].includes(control.type)) {
    const { checked, defaultChecked } = control;
    return checked === defaultChecked ? [] : [() => set(control, { checked })];
  }
  const { value, defaultValue } = control;
  return value === defaultValue ? [] : [() => set(control, { value })];
}

/** A control that the page no longer has keeps its state to itself. */
function set(control: Control, state: { readonly value: string } | { readonly checked: boolean }): void {
  if (control.isConnected) Object.assign(control, state);
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
