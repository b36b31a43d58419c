export { CHECKPOINT_SIGNAL, CheckpointRequest } from "./checkpoints.js";
export { versions } from "./machine.js";
