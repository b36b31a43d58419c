export { CHECKPOINT_SIGNAL, CheckpointRequest } from "./checkpoints/checkpoints.js";
export { versions } from "./loop/machine.js";
