/** What a page does in the browser: it puts in what is new, and leaves alone what is not, focus and open parts among it. */
export const liveScript = `
const options = { morphStyle: "outerHTML", callbacks: { beforeAttributeUpdated: (name, node) => !(name === "open" && node.tagName === "DETAILS") } };
const put = (id, source) => Idiomorph.morph(document.getElementById(id), source, options);
const say = (text) => { document.getElementById("connection").textContent = text; };
const renew = async () => {
  const answer = await fetch(location.pathname);
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  put("main", page.getElementById("main").outerHTML);
};
const news = new EventSource("/events" + (location.pathname === "/" ? "" : location.pathname));
news.addEventListener("status", ({ data }) => put("live", data));
news.addEventListener("page", () => renew().catch(() => {}));
news.addEventListener("end", async ({ data }) => {
  news.close();
  await renew().catch(() => {});
  say(data);
});
news.addEventListener("error", () => say("The connection is lost; this page shows what it last heard."));
news.addEventListener("open", () => say(""));
document.addEventListener("submit", (event) => {
  event.preventDefault();
  const { action } = event.target;
  fetch(action, { method: "POST", redirect: "manual" }).catch(() => say("The connection is lost: nothing was done."));
});
`.trim();
