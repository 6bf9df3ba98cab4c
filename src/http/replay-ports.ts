/** Rule files that come with a request, or the ones that are loaded. */
export type ReplayRules = 'current' | readonly { readonly name: string; readonly text: string }[];

/** What is to be replayed. Milliseconds of Belfry time; what is left out has a default. */
export interface ReplayRequest {
  readonly rules: ReplayRules;
  readonly compare?: ReplayRules;
  readonly startTs?: number;
  readonly endTs?: number;
  readonly sinceMs?: number;
  readonly stepMs?: number;
  readonly warmupMs?: number;
  readonly alert?: string;
  readonly cluster?: string;
}

/** A replay that goes on. */
export interface ReplayStream {
  /** Pieces of the lines that tell what goes on: `started`, `progress`, and at last `result` or `error`, each a JSON object. */
  readonly lines: AsyncIterable<string>;
  /** Nobody reads any more: ends it, where it has not ended. */
  end(): void;
}

/** Runs rules over the history, one replay at a time, apart from the event loop. */
export interface ReplayPort {
  /** Rejects with `RULES_INVALID` for rules with mistakes, `CONFLICT` while another one runs. */
  start(request: ReplayRequest): Promise<ReplayStream>;
  /** Ends it early: its result is then partial. Throws `NOT_FOUND`. */
  stop(id: string): void;
}
