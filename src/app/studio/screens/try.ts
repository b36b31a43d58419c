/** What trained models answer. */
import type { Screen } from "../screen.js";

export const tryScreen: Screen = {
  path: "/try",
  title: "Try",
  about: "What trained models answer.",
  async render() {
    return { content: [] };
  },
};
