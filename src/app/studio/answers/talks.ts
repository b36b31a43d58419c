/** Conversations with language models, and texts that they continue. Each model's is a file of one row, which `generate --input` takes. */
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { BidoraError } from "../../../base/index.js";
import { readJsonObject, writeFileAtomic } from "../../../base/records/index.js";
import type { ModelGenerateSettings } from "../../../use/inference/index.js";
import type { StudioFolder } from "../folder.js";
import type { Answerer } from "./answerer.js";
import { askedModel, type FinishedRun } from "./finishedRuns.js";
import type { ChatMessage, Continued, Piece } from "./protocol.js";

/** What a model is given: the messages of a conversation, or the beginning of a text. */
export const FORMS = ["messages", "prompt"] as const;
export type TalkForm = (typeof FORMS)[number];

/** One side of a conversation. */
export interface Talker {
  readonly run: FinishedRun;
  readonly isBase: boolean;
}

/** What was said so far: the row without its answer, and the answer. */
export interface Talk {
  readonly messages?: readonly ChatMessage[];
  readonly prompt?: string;
  readonly answer?: string;
  /** Those that the answer is generated with. */
  readonly settings?: ModelGenerateSettings;
}

/** What is said, and how the answer is generated. */
export interface Said {
  readonly form: TalkForm;
  readonly text: string;
  /** Stands before a conversation. */
  readonly system: string | undefined;
  readonly settings: ModelGenerateSettings;
}

const PREFIXES = { messages: "chat", prompt: "prompt" } as const;

/** The file of a model's talk, from the studio's folder. */
export const talkFile = ({ run, isBase }: Talker, form: TalkForm): string => fileOf(run.name, isBase, form);

const fileOf = (run: string, isBase: boolean, form: TalkForm): string =>
  `tried/${PREFIXES[form]}${isBase ? "-base" : ""}_${run}.jsonl`;

/** All files of a run's talks, and of those with its base model. */
const filesOf = (run: string): string[] =>
  FORMS.flatMap((form) => [false, true].map((isBase) => fileOf(run, isBase, form)));

export class Talks {
  /** What is being said now, by who says it; one at a time. */
  #now: { readonly text: Map<string, string>; readonly stopping: AbortController } | undefined;
  #count = 0;
  /** Why there was no last answer, by who was asked. */
  readonly #problems = new Map<string, string>();

  constructor(
    private readonly folder: StudioFolder,
    private readonly answerer: Answerer,
    private readonly onChange: () => void = () => {},
  ) {}

  /** How often something has been said to its end. */
  get count(): number {
    return this.#count;
  }

  /** Undefined before the first word. @throws BidoraError `JSON` for a file that something else has changed */
  read(talker: Talker, form: TalkForm): Talk | undefined {
    const path = join(this.folder.path, talkFile(talker, form));
    return existsSync(path) ? (readJsonObject(path) as Talk) : undefined;
  }

  /** Begins again. */
  forget(talkers: readonly Talker[], form: TalkForm): void {
    this.#refuseBusy();
    for (const talker of talkers) rmSync(join(this.folder.path, talkFile(talker, form)), { force: true });
  }

  /** @throws BidoraError `STUDIO` while a run or its base model answers */
  refuseAnswering(run: string): void {
    if (filesOf(run).some((file) => this.#now?.text.has(file))) this.#refuseBusy();
  }

  /** Removes all talks of a run: another run of this name has said nothing of it. */
  remove(run: string): void {
    for (const file of filesOf(run)) {
      rmSync(join(this.folder.path, file), { force: true });
      this.#problems.delete(file);
    }
  }

  /** Whether a model is answering in this form. */
  isAnswering(talker: Talker, form: TalkForm): boolean {
    return this.#now?.text.has(talkFile(talker, form)) ?? false;
  }

  /** Why the last thing that was said to a model has no answer. */
  problem(talker: Talker, form: TalkForm): string | undefined {
    return this.#problems.get(talkFile(talker, form));
  }

  /** Ends the present answer, which stays as it is. */
  stop(): void {
    this.#now?.stopping.abort(new BidoraError("STOPPED", "It was stopped."));
  }

  /**
   * Says something to models, one after the other, and keeps their answers.
   * @param onPiece receives each part of the answers
   * @throws BidoraError `STUDIO` while another answer comes, and as `Answerer.ask`
   */
  async say(talkers: readonly Talker[], said: Said, onPiece: (piece: Piece) => void): Promise<void> {
    this.#refuseBusy();
    const files = talkers.map((talker) => talkFile(talker, said.form));
    const before = talkers.map((talker) => this.read(talker, said.form));
    const talks = before.map((talk) => next(talk, said));
    const models = talkers.map(({ run, isBase }) => askedModel(run, isBase));
    for (const file of files) this.#problems.delete(file);
    const now = { text: new Map(files.map((file) => [file, ""])), stopping: new AbortController() };
    this.#now = now;
    const receive = (piece: Piece) => {
      const file = files[models.findIndex(({ name }) => name === piece.model)]!;
      if ("text" in piece) now.text.set(file, now.text.get(file) + piece.text);
      if ("error" in piece) this.#problems.set(file, piece.error);
      onPiece(piece);
    };
    const prompts = talks.map(({ messages, prompt }): Continued => messages ?? prompt ?? "");
    try {
      this.folder.make("tried");
      for (const [i, file] of files.entries()) this.#write(file, talks[i]);
      this.onChange();
      const question = { kind: "generate", models, prompts, settings: said.settings } as const;
      await this.answerer.ask(question, { onPiece: receive, signal: now.stopping.signal });
    } catch (error) {
      if (!now.stopping.signal.aborted) for (const file of files) this.#problems.set(file, (error as Error).message);
      throw error;
    } finally {
      for (const [i, file] of files.entries()) {
        const answer = now.text.get(file);
        // What was refused is as if it had not been said.
        this.#write(file, answer ? { ...talks[i], answer } : this.#problems.has(file) ? before[i] : talks[i]);
      }
      this.#now = undefined;
      this.#count++;
      this.onChange();
    }
  }

  #write(file: string, talk: Talk | undefined): void {
    const path = join(this.folder.path, file);
    if (talk) writeFileAtomic(path, `${JSON.stringify(talk)}\n`);
    else rmSync(path, { force: true });
  }

  #refuseBusy(): void {
    if (this.#now) throw new BidoraError("STUDIO", "An answer is being written: wait for its end, or stop it.");
  }
}

/** A talk after something more is said. What was never answered is taken back. */
function next(talk: Talk | undefined, { form, text, system, settings }: Said): Talk {
  if (form === "prompt") return { prompt: text, settings };
  const before = talk?.messages ?? (system === undefined ? [] : [{ role: "system" as const, content: system }]);
  const answered: readonly ChatMessage[] =
    talk?.answer === undefined
      ? before.filter((_, i) => i < before.length - 1 || before[i]!.role !== "user")
      : [...before, { role: "assistant", content: talk.answer }];
  return { messages: [...answered, { role: "user", content: text }], settings };
}
