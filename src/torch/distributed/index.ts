// Processes that compute together; the rest of it is in the index of torch.
export { isLaunched, LAUNCHED, launchName } from "./launched.js";
export { type Place, placeOf, silenceLog } from "./place.js";
export { Ending } from "./ranks.js";
