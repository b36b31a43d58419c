/** The signal at which `bidora finetune` saves a checkpoint and goes on: queues of clusters can send one before they end what runs. */
export const CHECKPOINT_SIGNAL = "SIGUSR2";

/** Asks a run that goes on for a checkpoint: it saves one after the step in hand. */
export class CheckpointRequest {
  #isAsked = false;

  /** A checkpoint after the step in hand; asked twice before that, one all the same. */
  ask(): void {
    this.#isAsked = true;
  }

  /** Whether one has been asked for since this was called last. */
  take(): boolean {
    const isAsked = this.#isAsked;
    this.#isAsked = false;
    return isAsked;
  }
}
