// Buttons that copy the text of an element: `data-copy` has its id.

export function addCopying(): void {
  document.addEventListener("click", (event) => {
    const button = (event.target as Element).closest<HTMLElement>("[data-copy]");
    const text = document.getElementById(button?.dataset.copy ?? "")?.textContent;
    if (!button || text == null) return;
    const done = (word: string) => {
      button.textContent = word;
      setTimeout(() => {
        button.textContent = "Copy";
      }, 1500);
    };
    navigator.clipboard.writeText(text).then(
      () => done("Copied"),
      () => done("Press Ctrl+C"),
    );
  });
}
