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
export const talkFile = ({ run, isBase }: Talker, form: TalkForm): string =>
  `tried/${PREFIXES[form]}${isBase ? "-base" : ""}_${run.name}.jsonl`;

export class Talks {
  /** What is being said now, by who says it; one at a time. */
  #now: { readonly text: Map<string, string>; readonly stopping: AbortController } | undefined;

  constructor(
    private readonly folder: StudioFolder,
    private readonly answerer: Answerer,
  ) {}

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

  /** What has come of the present answer; undefined if there is none. */
  now(talker: Talker, form: TalkForm): string | undefined {
    return this.#now?.text.get(talkFile(talker, form));
  }

  get isBusy(): boolean {
    return this.#now !== undefined;
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
    const stopping = new AbortController();
    const text = new Map(talkers.map((talker) => [talkFile(talker, said.form), ""]));
    this.#now = { text, stopping };
    try {
      const talks = talkers.map((talker) => next(this.read(talker, said.form), said));
      this.folder.make("tried");
      for (const [i, talker] of talkers.entries()) this.#write(talker, said.form, talks[i]!);
      const question = {
        kind: "generate" as const,
        models: talkers.map(({ run, isBase }) => askedModel(run, isBase)),
        prompts: talks.map(({ messages, prompt }): Continued => messages ?? prompt ?? ""),
        settings: said.settings,
      };
      const receive = (piece: Piece) => {
        const place = question.models.findIndex(({ name }) => name === piece.model);
        const file = talkFile(talkers[place]!, said.form);
        if ("text" in piece) text.set(file, text.get(file) + piece.text);
        onPiece(piece);
      };
      await this.answerer.ask(question, { onPiece: receive, signal: stopping.signal }).finally(() => {
        for (const [i, talker] of talkers.entries()) {
          const answer = text.get(talkFile(talker, said.form));
          if (answer) this.#write(talker, said.form, { ...talks[i]!, answer });
        }
      });
    } finally {
      this.#now = undefined;
    }
  }

  #write(talker: Talker, form: TalkForm, talk: Talk): void {
    writeFileAtomic(join(this.folder.path, talkFile(talker, form)), `${JSON.stringify(talk)}\n`);
  }

  #refuseBusy(): void {
    if (this.#now) throw new BidoraError("STUDIO", "An answer is being written: wait for its end, or stop it.");
  }
}

/** A talk after something more is said. What was never answered is taken back. */
function next(talk: Talk | undefined, { form, text, system }: Said): Talk {
  if (form === "prompt") return { prompt: text };
  const before = talk?.messages ?? (system === undefined ? [] : [{ role: "system" as const, content: system }]);
  const answered: readonly ChatMessage[] =
    talk?.answer === undefined
      ? before.filter((_, i) => i < before.length - 1 || before[i]!.role !== "user")
      : [...before, { role: "assistant", content: talk.answer }];
  return { messages: [...answered, { role: "user", content: text }] };
}
