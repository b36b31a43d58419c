export {
  addonCache,
  cachedBuild,
  choiceFile,
  choiceOf,
  type EnginePlace,
  installationsOf,
  isOutdated,
  isUsable,
  ownBuild,
  stamps,
} from "./builds.js";
export { engineInUse, enginePlaces } from "./inUse.js";
