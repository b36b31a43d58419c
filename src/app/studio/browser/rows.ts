// Tables of any number of rows, of which only those in sight are in the page: `data-rows` is the address of rows, `data-count` their number.
import { onPage } from "./page.js";

/** Pixels of a row. */
const HEIGHT = 34;
/** Rows before and behind those in sight. */
const BEYOND = 20;
/** Browsers draw no element that is much higher: beyond, scrolling is scaled. */
const MOST_HEIGHT = 8_000_000;

export function addRows(): void {
  onPage(() => {
    for (const box of document.querySelectorAll<HTMLElement>("[data-rows]")) prepare(box);
  });
}

/** The address and number of rows that a box was prepared for. */
const prepared = new WeakMap<HTMLElement, string>();

function prepare(box: HTMLElement): void {
  const { rows: address = "", count: text = "0" } = box.dataset;
  const key = `${address} ${text} ${box.dataset.version ?? ""}`;
  if (prepared.get(box) === key) return;
  const isFirst = !prepared.has(box);
  prepared.set(box, key);
  const count = Number(text);
  const body = box.querySelector<HTMLElement>("tbody")!;
  const table = box.querySelector("table")!;
  const head = table.tHead?.offsetHeight ?? 0;
  const height = head + Math.min(count * HEIGHT, MOST_HEIGHT);
  let shown = "";
  const draw = async (): Promise<void> => {
    const room = Math.max(1, height - box.clientHeight);
    const inSight = Math.floor((box.clientHeight - head) / HEIGHT);
    const first = Math.round((Math.min(1, box.scrollTop / room) || 0) * Math.max(0, count - inSight));
    const from = Math.max(0, first - BEYOND);
    const to = Math.min(count, first + inSight + 1 + BEYOND);
    if (`${from}-${to}` === shown || prepared.get(box) !== key) return;
    shown = `${from}-${to}`;
    const answer = await fetch(`${address}${address.includes("?") ? "&" : "?"}from=${from}&to=${to}`);
    if (!answer.ok || shown !== `${from}-${to}` || prepared.get(box) !== key) return;
    const rows = await answer.text();
    const focused = focusIn(body);
    body.innerHTML = rows;
    focused()?.focus({ preventScroll: true });
    table.style.top = `${Math.max(0, box.scrollTop - (first - from) * HEIGHT)}px`;
  };
  box.querySelector<HTMLElement>(".spacer")!.style.height = `${height}px`;
  if (!isFirst) box.scrollTop = 0;
  box.onscroll = () => requestAnimationFrame(() => void draw());
  void draw();
}

/** Finds the link that has the focus again after the rows have been replaced. */
function focusIn(body: HTMLElement): () => HTMLElement | undefined {
  const link = document.activeElement?.closest("a");
  const href = link && body.contains(link) ? link.href : undefined;
  return () => [...body.querySelectorAll("a")].find((other) => other.href === href);
}
