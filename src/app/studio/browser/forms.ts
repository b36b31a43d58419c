// Forms: they are sent in the background. A form with `data-live` is sent whenever one of its values changes.
import { LOST, say, show } from "./page.js";

/** Milliseconds after the last key before a form with `data-live` is sent. */
const PAUSE = 500;

export function addForms(): void {
  document.addEventListener("submit", (event) => {
    const form = event.target as HTMLFormElement;
    if (form.dataset.stream !== undefined) return;
    event.preventDefault();
    void send(form, event.submitter);
  });
  document.addEventListener("input", (event) => sendLive(event.target as Element, PAUSE));
  // What was typed and sent is not sent again when the focus leaves: its answer would take the place of that of a button.
  document.addEventListener("change", (event) => {
    const form = (event.target as Element).closest<HTMLFormElement>("form[data-live]");
    if (form && timers.has(form)) sendLive(form, 0);
  });
}

/** Forms with changes that are not sent yet. */
const timers = new WeakMap<HTMLFormElement, number>();

function sendLive(input: Element, pause: number): void {
  const form = input.closest<HTMLFormElement>("form[data-live]");
  if (!form) return;
  clearTimeout(timers.get(form));
  const timer = setTimeout(() => {
    timers.delete(form);
    void send(form, null);
  }, pause);
  timers.set(form, timer);
}

/** The number of the newest request: answers to earlier ones come too late. */
let newest = 0;

async function send(form: HTMLFormElement, submitter: HTMLElement | null): Promise<void> {
  const own = ++newest;
  const fields = new URLSearchParams([...new FormData(form, submitter)].map(([name, value]) => [name, String(value)]));
  const isRead = form.method === "get";
  const url = isRead ? `${form.action.split("?")[0]}?${fields}` : form.action;
  form.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(url, isRead ? {} : { method: "POST", body: fields });
    const text = await answer.text();
    if (own !== newest) return;
    if (!(answer.headers.get("content-type") ?? "").startsWith("text/html")) return say(text);
    say("");
    show(text, answer.ok ? answer.url : undefined);
    if (answer.status === 422) document.getElementById("problem")?.scrollIntoView({ block: "nearest" });
  } catch {
    say(LOST);
  } finally {
    form.removeAttribute("aria-busy");
  }
}
