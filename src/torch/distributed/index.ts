// Processes that compute together.

export { asRank } from "./asRank.js";
export { Ending } from "./ending.js";
export { isLaunched, LAUNCHED, launchName } from "./launched.js";
export { type Place, placeOf, restartsOf, silenceLog } from "./place.js";
export {
  ALONE,
  type GradientSum,
  hasProcessGroups,
  joinRanks,
  type Ranks,
  sumAtTheEnd,
} from "./processGroup.js";
export { sharedTensors } from "./sharedTensors.js";
