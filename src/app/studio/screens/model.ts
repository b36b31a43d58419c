/** What is trained, and whether it fits this machine. */
import type { Screen } from "../screen.js";

export const model: Screen = {
  path: "/model",
  title: "Model",
  about: "What is trained, and whether it fits this machine.",
  async render() {
    return { content: [] };
  },
};
