/** The result for other programs. */
import type { Screen } from "../screen.js";

export const take: Screen = {
  path: "/take",
  title: "Take it along",
  about: "The result for other programs.",
  async render() {
    return { content: [] };
  },
};
