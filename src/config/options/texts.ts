import { withTexts } from "../conditions.js";
import { inGroup, pick } from "../option.js";
import { generationOptions } from "./generation.js";

const { maxNewTokens, beams, lengthPenalty, noRepeatNgram } = inGroup(
  "Texts",
  pick(generationOptions, "maxNewTokens", "beams", "lengthPenalty", "noRepeatNgram"),
);
const inRuns = { advanced: true, rare: true, acts: withTexts } as const;

/** How a run goes on from prompts where it is judged by texts. */
export const textOptions = {
  maxNewTokens: { ...maxNewTokens, ...inRuns },
  beams: { ...beams, ...inRuns },
  lengthPenalty: { ...lengthPenalty, ...inRuns },
  noRepeatNgram: { ...noRepeatNgram, ...inRuns },
};
