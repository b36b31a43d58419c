import { type Handle, native } from "./native.js";

const registry = new FinalizationRegistry<Handle>((handle) => native.releaseOne(handle));

/** A random generator (Mersenne Twister, libtorch's own for the CPU) whose state can be saved and replayed. */
export class Generator {
  /** The native name, for calls through the bridge. */
  readonly handle: Handle;

  /** @param seed a whole number of up to 64 bits; one of up to 32 gives the same numbers as libtorch's `manual_seed` */
  constructor(seed: number | bigint = 0) {
    this.handle = native.newGenerator(seed);
    registry.register(this, this.handle);
  }

  /** Restarts from a seed. */
  manualSeed(seed: number | bigint): void {
    native.manualSeed(this.handle, seed);
  }

  /** The whole state, for `setState`: it determines all further numbers. */
  getState(): Uint8Array {
    return native.generatorState(this.handle);
  }

  /** Restores a state from `getState`; anything else throws a TorchError. */
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
