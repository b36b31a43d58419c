// Every optimizer: a line here makes it public and names it for --optimizer.
export { adafactor } from "./adafactor.js";
export { adamw } from "./adamw.js";
export { adamw8bit } from "./adamw8bit.js";
export { lion } from "./lion.js";
export { sgd } from "./sgd.js";
