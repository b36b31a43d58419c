/** Which method is better on these rows, and how sure that is. */
import type { Screen } from "../screen.js";

export const compare: Screen = {
  path: "/compare",
  title: "Compare",
  about: "Which method is better on these rows, and how sure that is.",
  async render() {
    return { content: [] };
  },
};
