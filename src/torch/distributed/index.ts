// Processes that compute together.
export { type Place, placeOf, restartsOf } from "./place.js";
export {
  ALONE,
  asRank,
  type GradientSum,
  hasProcessGroups,
  joinRanks,
  type Ranks,
  sumAtTheEnd,
} from "./processGroup.js";
export { sharedTensors } from "./sharedTensors.js";
