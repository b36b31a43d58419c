// All targets.
import { addonTargets } from "./addon.js";
import { exportTargets } from "./exports.js";
import { modelTargets } from "./models.js";
import { recordTargets } from "./records.js";
import { rowTargets } from "./rows.js";
import { serverTargets } from "./server.js";
import { textTargets } from "./texts.js";
import { weightTargets } from "./weights.js";

export const TARGETS = [
  ...addonTargets,
  ...weightTargets,
  ...modelTargets,
  ...rowTargets,
  ...textTargets,
  ...recordTargets,
  ...serverTargets,
  ...exportTargets,
] as const;
