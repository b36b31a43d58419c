export { endAtSecondSignal, preloadEngine } from "./prelude.js";
