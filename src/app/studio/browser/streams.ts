// Forms whose answer comes in pieces: a chat. `data-stream` names the element that they are added to.
import { LOST, renew, say } from "./page.js";

export function addStreams(): void {
  document.addEventListener("submit", (event) => {
    const form = event.target as HTMLFormElement;
    const target = document.getElementById(form.dataset.stream ?? "");
    if (!target) return;
    event.preventDefault();
    void stream(form, target);
  });
}

async function stream(form: HTMLFormElement, target: HTMLElement): Promise<void> {
  const fields = new URLSearchParams([...new FormData(form)].map(([name, value]) => [name, String(value)]));
  const button = form.querySelector("button");
  button?.setAttribute("aria-disabled", "true");
  target.textContent = "";
  try {
    const answer = await fetch(form.action, { method: "POST", body: fields });
    const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) target.textContent += part.value;
    await renew();
  } catch {
    say(LOST);
  } finally {
    button?.removeAttribute("aria-disabled");
  }
}
