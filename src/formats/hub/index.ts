export { cachedModels } from "./cachedModels.js";
export { type HubContext, type HubOptions, hubOptions, hubOptionsOf, shownUrl } from "./options.js";
export { hubSnapshot } from "./snapshot.js";
