export { didYouMean, nearest } from "../text/nearest.js";
