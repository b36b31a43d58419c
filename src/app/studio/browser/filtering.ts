// Inputs that hide parts of a list: `data-filter` has the list's id; its parts have their words in `data-words`.
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
}
