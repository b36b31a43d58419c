import { parseHTML } from "linkedom";
import type { RunEvent } from "../../../src/base/records/events.js";
import type { RunLog } from "../../../src/base/records/runLog.js";

/** What tests look at of an element. */
export interface Element {
  readonly textContent: string;
  readonly id: string;
  readonly tagName: string;
  readonly attributes: Iterable<{ readonly name: string; readonly value: string }>;
  querySelector(selector: string): Element | null;
  querySelectorAll(selector: string): Iterable<Element>;
  getAttribute(name: string): string | null;
}

export const parse = (page: string): Element => parseHTML(page).document as unknown as Element;
export const all = (page: Element, selector: string): Element[] => [...page.querySelectorAll(selector)];
export const texts = (page: Element, selector: string): string[] =>
  all(page, selector).map(({ textContent }) => textContent.trim());

/** A log with each event put through a function; what it gives nothing for is gone. */
export const changed = (log: RunLog, change: (event: RunEvent) => RunEvent | undefined): RunLog => ({
  ...log,
  events: log.events.flatMap((event) => change(event) ?? []),
});
