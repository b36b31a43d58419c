/** What the screens work on: a folder, its run file, and what runs for them. */

import { Answerer } from "./answers/answerer.js";
import { Answers } from "./answers/answers.js";
import { Talks } from "./answers/talks.js";
import { Commands } from "./commands.js";
import { Comparisons } from "./comparisons/comparisons.js";
import { RowFiles } from "./data/rowFiles.js";
import { Serving } from "./exports/serving.js";
import { StudioFolder } from "./folder.js";
import { Findings } from "./model/findings.js";
import { News } from "./news.js";
import { RunFile } from "./runFile.js";
import { RunQueue } from "./training/queue.js";
import { Works } from "./works.js";

export class Studio {
  readonly news = new News();
  readonly folder: StudioFolder;
  readonly runFile: RunFile;
  readonly commands: Commands;
  readonly works: Works;
  readonly findings: Findings;
  readonly queue: RunQueue;
  readonly comparisons: Comparisons;
  readonly rows: RowFiles;
  readonly answerer: Answerer;
  readonly answers: Answers;
  readonly talks: Talks;
  readonly serving: Serving;

  /** @param path of the folder, absolute */
  constructor(path: string) {
    const onWork = () => this.news.changed("work");
    this.folder = new StudioFolder(path);
    this.runFile = new RunFile(this.folder, () => this.news.changed("run"));
    this.commands = new Commands(path);
    this.works = new Works(onWork);
    this.findings = new Findings(this.commands, this.works);
    this.queue = new RunQueue(this.folder, this.commands, () => this.news.changed("runs"));
    this.comparisons = new Comparisons(this.folder, this.commands, this.works);
    this.rows = new RowFiles(this);
    this.answerer = new Answerer(path, onWork);
    this.answers = new Answers(this.answerer, onWork);
    this.talks = new Talks(this.folder, this.answerer, onWork);
    this.serving = new Serving(path, onWork);
  }

  /** Stops what runs; runs save their state first. */
  async close(): Promise<void> {
    this.news.close();
    await this.queue.close();
    await this.works.close();
    await this.answerer.close();
    await this.serving.close();
    await this.commands.close();
  }
}
