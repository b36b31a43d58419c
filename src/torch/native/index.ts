export { endAtSecondSignal, preloadEngine, whileLoading } from "./prelude.js";
