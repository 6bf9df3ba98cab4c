import type { Lane } from './lane.ts';
import type { SeriesId } from './series-table.ts';

/** The targets of lanes that were brought in whole begin so; nobody writes to them. */
const ARCHIVE_TARGET = 'import/';

/** The target of a lane that is brought in whole. */
export function archiveTarget(laneId: number): string {
  return ARCHIVE_TARGET + laneId;
}

export function isArchive({ target }: Pick<Lane, 'target'>): boolean {
  return target.startsWith(ARCHIVE_TARGET);
}

/**
 * Lanes of history that was brought in, by series. They are apart from the places of series, so that rules over the
 * newest samples do not look at them: only what reaches back to `maxTs` does.
 */
export class Archives {
  readonly #lanes = new Map<SeriesId, number[]>();
  readonly #maxTs = new Map<number, number>();
  /** Moves with each lane that comes or goes. */
  version = 0;
  #newestTs = -Infinity;

  /** The newest sample in any of them; -Infinity where there is none. */
  get maxTs(): number {
    return this.#newestTs;
  }

  /** A lane's samples reach to `maxTs`. */
  reaches(lane: number, maxTs: number): void {
    this.version++;
    this.#maxTs.set(lane, Math.max(maxTs, this.#maxTs.get(lane) ?? -Infinity));
    this.#newestTs = Math.max(this.#newestTs, maxTs);
  }

  /** The newest sample in those of these series. */
  maxTsOf(ids: Int32Array): number {
    let maxTs = -Infinity;
    for (const id of ids) for (const lane of this.of(id)) maxTs = Math.max(maxTs, this.#maxTs.get(lane) ?? -Infinity);
    return maxTs;
  }

  add(id: SeriesId, lane: number): void {
    this.version++;
    const known = this.#lanes.get(id);
    if (known === undefined) this.#lanes.set(id, [lane]);
    else if (!known.includes(lane)) known.push(lane);
  }

  of(id: SeriesId): readonly number[] {
    return this.#lanes.get(id) ?? NONE;
  }

  remove(id: SeriesId): void {
    this.#lanes.delete(id);
  }

  removeLane(lane: number): void {
    this.version++;
    if (this.#maxTs.delete(lane)) {
      this.#newestTs = -Infinity;
      for (const maxTs of this.#maxTs.values()) this.#newestTs = Math.max(this.#newestTs, maxTs);
    }
    for (const [id, lanes] of this.#lanes) {
      const left = lanes.filter((other) => other !== lane);
      if (left.length === 0) this.#lanes.delete(id);
      else if (left.length < lanes.length) this.#lanes.set(id, left);
    }
  }

  clear(): void {
    this.version++;
    this.#lanes.clear();
    this.#maxTs.clear();
    this.#newestTs = -Infinity;
  }
}

const NONE: readonly number[] = [];
