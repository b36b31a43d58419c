/** What the screen Try keeps while the studio runs: the process with opened models, and answers. */
import type { StudioFolder } from "../folder.js";
import { Answerer } from "./answerer.js";
import { Answers } from "./answers.js";
import { Talks } from "./talks.js";

export class Tries {
  readonly answerer: Answerer;
  readonly answers: Answers;
  readonly talks: Talks;

  /** @param onChange is called when an answer goes on, and when models are opened or closed */
  constructor(folder: StudioFolder, onChange: () => void) {
    this.answerer = new Answerer(folder.path, onChange);
    this.answers = new Answers(this.answerer, onChange);
    this.talks = new Talks(folder, this.answerer, onChange);
  }

  async close(): Promise<void> {
    await this.answerer.close();
  }
}
