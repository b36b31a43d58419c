export { CHECKPOINT_SIGNAL, CheckpointRequest } from "./checkpoints/checkpoints.js";
