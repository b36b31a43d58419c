import type { Context } from "../../context.js";
import type { Effort } from "../../turns/compare.js";

/** Half as many rounds as elsewhere: there are many sides, and some take seconds. */
export const packedEffort = ({ effort }: Context): Effort => ({
  ...effort,
  rounds: Math.max(2, Math.floor(effort.rounds / 2)),
  counts: 1,
  warmUps: 1,
});
