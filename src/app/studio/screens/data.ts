/** Rows to learn from: what they are, and which of them are wrong. */
import type { Screen } from "../screen.js";

export const data: Screen = {
  path: "/data",
  title: "Data",
  about: "Rows to learn from: what they are, and which of them are wrong.",
  async render() {
    return { content: [] };
  },
};
