import type { Handle } from "./native/interface.js";
import { native } from "./native/native.js";
import { nativeObjects } from "./ownership.js";

/** A random generator (libtorch's Mersenne Twister for the CPU) whose state can be saved and restored. */
export class Generator {
  /** The native handle, for calls through the bridge. */
  readonly handle: Handle;

  /** @param seed an integer of at most 64 bits; seeds of at most 32 bits give the same numbers as libtorch's `manual_seed` */
  constructor(seed: number | bigint = 0) {
    this.handle = native.newGenerator(seed);
    nativeObjects.register(this, this.handle);
  }

  /** Restarts from a seed. */
  manualSeed(seed: number | bigint): void {
    native.manualSeed(this.handle, seed);
  }

  /** The complete state, for `setState`; it determines all further numbers. */
  getState(): Uint8Array {
    return native.generatorState(this.handle);
  }

  /** Restores a state from `getState`. @throws TorchError for anything else */
  setState(state: Uint8Array): void {
    native.setGeneratorState(this.handle, state);
  }

  /** Another generator in the same state. */
  clone(): Generator {
    const copy = new Generator();
    copy.setState(this.getState());
    return copy;
  }
}
