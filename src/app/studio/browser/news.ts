// News of the server: a page is fetched again when what it shows has changed.
import { LOST, renew, say } from "./page.js";

export function followNews(): void {
  const news = new EventSource("/news");
  let isBusy = false;
  let isMissed = false;
  const update = async (): Promise<void> => {
    if (isBusy) {
      isMissed = true;
      return;
    }
    isBusy = true;
    await renew().catch(() => say(LOST));
    isBusy = false;
    if (!isMissed) return;
    isMissed = false;
    await update();
  };
  let wasLost = false;
  news.addEventListener("changed", ({ data }) => {
    const topics = (document.body.dataset.topics ?? "").split(" ");
    if ((data as string).split(" ").some((topic) => topics.includes(topic))) void update();
  });
  news.addEventListener("error", () => {
    wasLost = true;
    say(LOST);
  });
  news.addEventListener("open", () => {
    if (!wasLost) return;
    wasLost = false;
    say("");
    void update();
  });
}
