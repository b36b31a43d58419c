// Forms: they are sent in the background, one after the other. A form with `data-live` is sent whenever one of its values changes.
import { forgetProblem, isRefused, LOST, say, show } from "./page.js";

/** Milliseconds after the last key before a form with `data-live` is sent. */
const PAUSE = 500;

export function addForms(): void {
  document.addEventListener("submit", (event) => {
    const form = event.target as HTMLFormElement;
    if (form.dataset.stream !== undefined) return;
    event.preventDefault();
    // What was changed before a button was pressed counts for it.
    const changes = [...waiting.keys()].filter((live) => live !== form);
    for (const live of changes) sendNow(live);
    send(form, event.submitter, changes.length > 0 || isSending);
  });
  document.addEventListener("input", (event) => sendLive(event.target as Element, PAUSE));
  // What was typed and sent is not sent again when the focus leaves: its answer would take the place of that of a button.
  document.addEventListener("change", (event) => {
    const form = (event.target as Element).closest<HTMLFormElement>("form[data-live]");
    if (form && waiting.has(form)) sendLive(form, 0);
  });
}

/** Forms with changes that are not sent yet, with their timers. */
const waiting = new Map<HTMLFormElement, number>();

function sendLive(input: Element, pause: number): void {
  const form = input.closest<HTMLFormElement>("form[data-live]");
  if (!form) return;
  clearTimeout(waiting.get(form));
  waiting.set(
    form,
    setTimeout(() => sendNow(form), pause),
  );
}

function sendNow(form: HTMLFormElement): void {
  clearTimeout(waiting.get(form));
  waiting.delete(form);
  send(form, null, false);
}

let last: Promise<void> = Promise.resolve();
let isSending = false;

/**
 * Sends a form, with its values as they are now, when those before it are answered.
 * @param needsOthers whether it is not sent if one of those before it is refused
 */
function send(form: HTMLFormElement, submitter: HTMLElement | null, needsOthers: boolean): void {
  const fields = new URLSearchParams([...new FormData(form, submitter)].map(([name, value]) => [name, String(value)]));
  isSending = true;
  const own = last
    .then(() => (needsOthers && isRefused() ? undefined : sent(form, fields)))
    .finally(() => {
      if (last === own) isSending = false;
    });
  last = own;
}

async function sent(form: HTMLFormElement, fields: URLSearchParams): Promise<void> {
  const isRead = form.method === "get";
  const url = isRead ? `${form.action.split("?")[0]}?${fields}` : form.action;
  form.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(url, isRead ? {} : { method: "POST", body: fields });
    const text = await answer.text();
    if (!(answer.headers.get("content-type") ?? "").startsWith("text/html")) return say(text);
    say("");
    forgetProblem();
    if (answer.ok) return show(text, { url: answer.url, answered: form });
    show(text, { answered: form, isRefusal: true });
    document.getElementById("problem")?.scrollIntoView({ block: "nearest" });
  } catch {
    say(LOST);
  } finally {
    form.removeAttribute("aria-busy");
  }
}
