export { endAtSecondSignal, preloadEngine } from "./native.js";
