/** The requests that run or wait at the same time. */
import { ApiError } from "./apiError.js";

export class Places {
  #taken = 0;

  constructor(private readonly most: number) {}

  get taken(): number {
    return this.#taken;
  }

  /**
   * Takes a place.
   * @returns frees it; may be called several times
   * @throws ApiError 429 if there is none
   */
  take(): () => void {
    if (this.#taken >= this.most)
      throw new ApiError(429, `${this.most} requests are running or waiting already: try again later.`, {
        code: "rate_limit_exceeded",
      });
    this.#taken++;
    let isTaken = true;
    return () => {
      if (isTaken) this.#taken--;
      isTaken = false;
    };
  }
}
