import { type Handle, native } from "./native.js";

const registry = new FinalizationRegistry<Handle>((handle) => native.releaseOne(handle));

/** A random generator (Mersenne Twister, libtorch's own for the CPU) whose state can be saved and replayed. */
export class Generator {
  readonly handle: Handle;

  constructor(seed: number | bigint = 0) {
    this.handle = native.newGenerator(seed);
    registry.register(this, this.handle);
  }

  manualSeed(seed: number | bigint): void {
    native.manualSeed(this.handle, seed);
  }

  getState(): Uint8Array {
    return native.generatorState(this.handle);
  }

  setState(state: Uint8Array): void {
    native.setGeneratorState(this.handle, state);
  }
}
