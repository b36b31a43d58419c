export { DEVICE_CHOICE } from "./devices.js";
export { memoryOf, type RunMemory } from "./memory.js";
