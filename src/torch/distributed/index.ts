// Processes that compute together.
export { type Place, placeOf, restartsOf } from "./place.js";
export { ALONE, asRank, hasProcessGroups, joinRanks, type Ranks } from "./processGroup.js";
export { type MakeTensors, sharedTensors } from "./sharedTensors.js";
