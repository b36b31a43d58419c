// Inputs that hide parts of a folded list: `data-filter` has its id; its parts have their words in `data-words`. What is found is opened.
import { onPage } from "./page.js";

export function addFiltering(): void {
  document.addEventListener("input", (event) => apply(event.target as HTMLInputElement));
  onPage(() => {
    for (const input of document.querySelectorAll<HTMLInputElement>("[data-filter]")) apply(input);
  });
}

function apply(input: HTMLInputElement): void {
  const list = document.getElementById(input.dataset?.filter ?? "");
  if (!list) return;
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const part of list.querySelectorAll<HTMLElement>("[data-words]"))
    part.hidden = !words.every((word) => part.dataset.words!.toLowerCase().includes(word));
  for (const group of list.querySelectorAll<HTMLElement>("[data-group]"))
    group.hidden = group.querySelector("[data-words]:not([hidden])") === null;
  if (words.length === 0) return;
  for (const closed of list.parentElement!.querySelectorAll("details"))
    if (closed.querySelector("[data-words]:not([hidden])")) closed.open = true;
}
