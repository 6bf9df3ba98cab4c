import type { SampleWriter, TargetHint, TargetWriter } from '../core/sample.ts';

/** A writer that remembers its targets, so that all of them can be ended when what wrote them has left the configuration. */
export class ScopedWriter implements SampleWriter {
  readonly #writer: SampleWriter;
  readonly #targets = new Set<string>();

  constructor(writer: SampleWriter) {
    this.#writer = writer;
  }

  target(id: string, hint?: TargetHint): TargetWriter {
    this.#targets.add(id);
    return this.#writer.target(id, hint);
  }

  removeTarget(id: string): void {
    this.#targets.delete(id);
    this.#writer.removeTarget(id);
  }

  /** Marks the series of every target that `successor` has not taken over stale at `ts`, and forgets those targets. */
  end(ts: number, successor?: ScopedWriter): void {
    for (const id of this.#targets) {
      if (successor !== undefined && successor.#targets.has(id)) continue;
      this.#writer.target(id).markStale(ts);
      this.#writer.removeTarget(id);
    }
    this.#targets.clear();
  }
}
