import type { Alert } from '../core/alert.ts';

export interface DampingOptions {
  /** An alert that begins so often … */
  readonly times: number;
  /** … within so long flaps; … */
  readonly withinMs: number;
  /** … until it has been steady, firing or not, for so long. */
  readonly steadyMs: number;
}

export const DAMPING: DampingOptions = { times: 4, withinMs: 15 * 60_000, steadyMs: 10 * 60_000 };

interface Flapper {
  /** When it began to fire, the latest last; as many as count. */
  begun: number[];
  flaps: boolean;
  /** Its end, which nobody has been told while it flaps. */
  ended: Alert | undefined;
  /** When it last began or ended. */
  changedAt: number;
}

/** What to do with an alert: tell it, tell it as one that flaps, or keep it back. */
export type DampingVerdict = 'tell' | 'tell_flapping' | 'keep';

/**
 * An alert that comes and goes is told as such once; from then on it counts as firing, and what it does is not told until
 * it has been steady. Pure: time is an argument. What it remembers goes with the process, but never the end of an alert:
 * rules tell it again after a start.
 */
export class Damper {
  readonly #options: () => DampingOptions;
  /** The one that changed longest ago first. */
  readonly #flappers = new Map<string, Flapper>();

  constructor(options: () => DampingOptions) {
    this.#options = options;
  }

  /** How many are remembered. */
  get size(): number {
    return this.#flappers.size;
  }

  /** How many flap. */
  get flapping(): number {
    return [...this.#flappers.values()].filter(({ flaps }) => flaps).length;
  }

  /** An alert is to be told that was not firing before, or (`isTold`) one that is told fires. */
  fires(key: string, isTold: boolean, at: number): DampingVerdict {
    const known = this.#flappers.get(key);
    if (isTold) {
      if (known?.ended === undefined) return 'tell';
      known.ended = undefined;
      this.#changed(key, known, at);
      return 'keep';
    }
    const { times, withinMs } = this.#options();
    this.#forgetOld(at);
    const flapper = known ?? { begun: [], flaps: false, ended: undefined, changedAt: at };
    flapper.begun = [...flapper.begun.filter((begun) => begun > at - withinMs), at].slice(-times);
    flapper.flaps = flapper.begun.length >= times;
    this.#changed(key, flapper, at);
    return flapper.flaps ? 'tell_flapping' : 'tell';
  }

  /** An alert that was told has ended. One that will not come back is told whatever it did. */
  ends(key: string, alert: Alert, at: number): DampingVerdict {
    const flapper = this.#flappers.get(key);
    if (flapper === undefined || !flapper.flaps) return 'tell';
    const mayComeBack = alert.resolveReason === undefined || alert.resolveReason === 'recovered' || alert.resolveReason === 'no_data';
    if (!mayComeBack) {
      this.#flappers.delete(key);
      return 'tell';
    }
    if (flapper.ended === undefined) this.#changed(key, flapper, at);
    flapper.ended ??= alert;
    return 'keep';
  }

  /** Lets go whatever has been steady for long enough: the ends that are to be told now. */
  steady(now: number): readonly Alert[] {
    const { steadyMs } = this.#options();
    const ends: Alert[] = [];
    for (const [key, { flaps, ended, changedAt }] of this.#flappers) {
      if (changedAt + steadyMs > now) break;
      if (!flaps) continue;
      this.#flappers.delete(key);
      if (ended !== undefined) ends.push(ended);
    }
    this.#forgetOld(now);
    return ends;
  }

  /** When `steady` has something to do; undefined while nothing flaps. */
  dueAt(): number | undefined {
    for (const { flaps, changedAt } of this.#flappers.values()) if (flaps) return changedAt + this.#options().steadyMs;
    return undefined;
  }

  #changed(key: string, flapper: Flapper, at: number): void {
    flapper.changedAt = at;
    this.#flappers.delete(key);
    this.#flappers.set(key, flapper);
  }

  #forgetOld(now: number): void {
    const { withinMs } = this.#options();
    for (const [key, { flaps, changedAt }] of this.#flappers) {
      if (changedAt + withinMs > now) break;
      if (!flaps) this.#flappers.delete(key);
    }
  }
}
