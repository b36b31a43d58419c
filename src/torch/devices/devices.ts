// The devices of this machine and libtorch.
import { BidoraError } from "../../base/index.js";
import { native } from "../native/native.js";

/** The types of devices besides the CPU, in the order in which `auto` prefers them, with their names in messages. */
const TYPES = { cuda: "CUDA", mps: "MPS" } as const;

/** The type of such a device. */
export type DeviceType = keyof typeof TYPES;

/** The number of usable devices of each type that this libtorch was built for. */
export const deviceCounts = (): Readonly<Partial<Record<DeviceType, number>>> => native.deviceCounts();

/** What `resolveDevice` takes: a type of device, with the number of one, or `auto`. */
export const DEVICE_CHOICE = /^(auto|cpu|mps|cuda(:(0|[1-9]\d{0,2}))?)$/;

const NUMBERED = /^(cuda|mps)(?::(\d+))?$/;

/**
 * The device to compute on, by libtorch's name.
 * @param choice `cpu`, `cuda`, `cuda:N` or `mps`; `auto` takes a CUDA device, or else MPS, or else the CPU. `meta`, whose tensors
 *   have no values, is always there.
 * @param localRank the number of this process among those of its machine: without a number, each takes the device of its own
 * @throws BidoraError `DEVICE` for one that this machine or this libtorch does not have
 */
export function resolveDevice(choice: string, localRank = 0): string {
  if (choice === "cpu" || choice === "meta") return choice;
  const counts = deviceCounts();
  if (choice === "auto") {
    const found = (Object.keys(TYPES) as DeviceType[]).find((type) => (counts[type] ?? 0) > 0);
    return found ? resolveDevice(found, localRank) : "cpu";
  }
  const [, type = "", index = choice === "cuda" ? String(localRank) : "0"] = NUMBERED.exec(choice) ?? [];
  const count = counts[type as DeviceType];
  if (count !== undefined && Number(index) < count) return `${type}:${index}`;
  throw new BidoraError(
    "DEVICE",
    `The device ${choice} is not there: ${whyNot(type, count)}; leave out --device (device) for the best one there is, and see what it finds by \`bidora doctor\`.`,
  );
}

function whyNot(type: string, count: number | undefined): string {
  const name = type in TYPES ? TYPES[type as DeviceType] : undefined;
  if (name === undefined) return `expected cpu, cuda, cuda:N or mps`;
  if (count === undefined) {
    const { torchVersion } = native.engineFacts();
    const built = ["the CPU", ...Object.keys(deviceCounts()).map((other) => TYPES[other as DeviceType])];
    return `this libtorch (${torchVersion}) is built for ${built.join(" and ")}, not for ${name}`;
  }
  if (count === 0) return `this libtorch is built for ${name}, but finds no such device on this machine`;
  return count === 1
    ? `this machine has 1 ${name} device, ${type}:0`
    : `this machine has ${count} ${name} devices, ${type}:0 to ${type}:${count - 1}`;
}
