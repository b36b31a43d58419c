// Files: dropped on an element with `data-drop`, or chosen by an input in it, they are sent to the address in `data-drop`, each as it is,
// with the check boxes in the element that are checked.
import { LOST, renew, say, show } from "./page.js";

export function addDropping(): void {
  const zoneOf = (event: Event) => (event.target as Element).closest<HTMLElement>("[data-drop]");
  document.addEventListener("dragover", (event) => {
    const zone = zoneOf(event);
    event.preventDefault();
    zone?.classList.add("over");
  });
  document.addEventListener("dragleave", (event) => zoneOf(event)?.classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    const zone = zoneOf(event);
    zone?.classList.remove("over");
    if (zone && event.dataTransfer) void upload(zone, [...event.dataTransfer.files]);
  });
  document.addEventListener("change", (event) => {
    const input = event.target as HTMLInputElement;
    const zone = zoneOf(event);
    if (zone && input.type === "file" && input.files)
      void upload(zone, [...input.files]).then(() => {
        input.value = "";
      });
  });
}

/** Sends files one after the other. */
async function upload(zone: HTMLElement, files: readonly File[]): Promise<void> {
  const checked = [...zone.querySelectorAll<HTMLInputElement>("input[type=checkbox]:checked")];
  const more = checked.map(({ name, value }) => [name, value]);
  for (const file of files) {
    say(`Sending ${file.name} …`);
    try {
      const url = `${zone.dataset.drop}?${new URLSearchParams([["name", file.name], ...more])}`;
      const answer = await fetch(url, { method: "POST", body: file });
      const text = await answer.text();
      if ((answer.headers.get("content-type") ?? "").startsWith("text/html"))
        show(text, answer.ok ? { url: answer.url } : { isRefusal: true });
      say(answer.ok || answer.status === 422 ? "" : text);
      if (!answer.ok) return;
    } catch {
      say(LOST);
    }
  }
  await renew().catch(() => say(LOST));
}
