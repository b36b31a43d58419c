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
  ownSources,
  stamps,
} from "./builds.js";
export { engineInUse, enginePlaces } from "./inUse.js";
