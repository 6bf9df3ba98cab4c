import type { Labels } from '../core/labels.ts';
import { matchesAll } from '../core/matcher.ts';
import type { Silence } from '../core/silence.ts';

/**
 * The active silences, found by one label that they want to be equal to something; those that want none are looked at for
 * every alert.
 */
export class SilenceIndex {
  readonly #byId = new Map<string, Silence>();
  readonly #byLabel = new Map<string, Map<string, Set<Silence>>>();
  readonly #others = new Set<Silence>();

  get(id: string): Silence | undefined {
    return this.#byId.get(id);
  }

  add(silence: Silence): void {
    this.remove(silence.id);
    this.#byId.set(silence.id, silence);
    const place = placeOf(silence);
    if (place === undefined) {
      this.#others.add(silence);
      return;
    }
    const byValue = this.#byLabel.get(place.name) ?? new Map<string, Set<Silence>>();
    this.#byLabel.set(place.name, byValue);
    byValue.set(place.value, (byValue.get(place.value) ?? new Set()).add(silence));
  }

  remove(id: string): void {
    const silence = this.#byId.get(id);
    if (silence === undefined) return;
    this.#byId.delete(id);
    this.#others.delete(silence);
    const place = placeOf(silence);
    if (place === undefined) return;
    const byValue = this.#byLabel.get(place.name);
    const found = byValue?.get(place.value);
    found?.delete(silence);
    if (found?.size === 0) byValue?.delete(place.value);
    if (byValue?.size === 0) this.#byLabel.delete(place.name);
  }

  /** Ids of those that are about the alert. */
  matching(labels: Labels): readonly string[] {
    const ids: string[] = [];
    const look = (silences: Iterable<Silence>): void => {
      for (const { id, matchers } of silences) if (matchesAll(matchers, labels)) ids.push(id);
    };
    for (const [name, byValue] of this.#byLabel) look(byValue.get(labels.get(name)) ?? []);
    look(this.#others);
    return ids;
  }
}

function placeOf({ matchers }: Silence): { readonly name: string; readonly value: string } | undefined {
  return matchers.find(({ op, value }) => op === '=' && value !== '');
}
