// The device that models of the parity tests are on: the CPU, or the one that `npm run test:device` names in BIDORA_DEVICE.
import { resolveDevice } from "../../src/torch/index.js";

export const DEVICE = resolveDevice(process.env.BIDORA_DEVICE ?? "cpu");
