/** One count of `run`. */
export type Work = () => void | Promise<void>;
