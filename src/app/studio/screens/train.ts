/** How it is trained, and how that goes. */
import type { Screen } from "../screen.js";

export const train: Screen = {
  path: "/train",
  title: "Train",
  about: "How it is trained, and how that goes.",
  async render() {
    return { content: [] };
  },
};
