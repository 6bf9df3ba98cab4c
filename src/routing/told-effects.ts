import type { Alert } from '../core/alert.ts';

/** What a firing alert that came again changes: `larger` reaches further than was told, `effect` is felt in another way. */
export type Renewal = 'larger' | 'effect';

/** A growing fault pings at most so often. */
const LARGER_EVERY_MS = 60_000;
/** Effects that come and go by turns are an edit at most so often. */
const WORDS_EVERY_MS = 5000;
/** Other numbers in the same words are an edit at most so often. */
const NUMBERS_EVERY_MS = 5 * 60_000;

/**
 * What people were told of the firing alerts of one incident, as far as clients feel it: the annotation `belfry_effect`, and
 * `belfry_extent`, a number such as that of leaderless partitions.
 */
export class ToldEffects {
  readonly #told = new Map<string, { effect: string; extent: number }>();
  #largerAt = -Infinity;
  #wordsAt = -Infinity;
  #numbersAt = -Infinity;

  begin(alert: Alert): void {
    const effect = alert.annotations.get('belfry_effect');
    const extent = extentOf(alert);
    if (effect !== '' || extent > 0) this.#told.set(alert.labels.key, { effect, extent });
  }

  end(key: string): void {
    this.#told.delete(key);
  }

  /** What is to be told of an alert that fires still; undefined where that is nothing, or not yet. */
  renew(alert: Alert, at: number): Renewal | undefined {
    const told = this.#told.get(alert.labels.key);
    const effect = alert.annotations.get('belfry_effect');
    const extent = extentOf(alert);
    if (extent > (told?.extent ?? 0) && at >= this.#largerAt + LARGER_EVERY_MS) {
      this.#told.set(alert.labels.key, { effect, extent });
      this.#largerAt = at;
      return 'larger';
    }
    if (effect === (told?.effect ?? '')) return undefined;
    const isSameKind = wordsOf(effect) === wordsOf(told?.effect ?? '');
    if (at < (isSameKind ? this.#numbersAt + NUMBERS_EVERY_MS : this.#wordsAt + WORDS_EVERY_MS)) return undefined;
    if (isSameKind) this.#numbersAt = at;
    else this.#wordsAt = at;
    this.#told.set(alert.labels.key, { effect, extent: told?.extent ?? 0 });
    return 'effect';
  }
}

/** Without its numbers and the topics it names. */
function wordsOf(effect: string): string {
  return effect
    .replaceAll(/\([^)]*\)/g, '')
    .replaceAll(/\d+(\.\d+)?\w*/g, '#')
    .replaceAll(/# (partitions?|copies|copy)\b/g, '# of them');
}

function extentOf({ annotations }: Alert): number {
  const extent = Number(annotations.get('belfry_extent'));
  return Number.isFinite(extent) ? extent : 0;
}
