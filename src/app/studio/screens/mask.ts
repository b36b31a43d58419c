/** The first rows as the model sees them. */
import type { Screen } from "../screen.js";

export const mask: Screen = {
  path: "/mask",
  title: "Mask",
  about: "The first rows as the model sees them.",
  async render() {
    return { content: [] };
  },
};
