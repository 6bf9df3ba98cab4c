import type { EntityKey, EntityName, EntityRows } from './entities.ts';

/**
 * One write to the state, plain data (it survives JSON but for NaN and infinities): applied by SQLite now, and of a
 * form that a compacted topic can carry, keyed by entity and key. `v` is the version of the record's own shape.
 */
export type StateChange = {
  [E in EntityName]:
    | { readonly v: 1; readonly kind: `${E}.put`; readonly row: EntityRows[E] }
    | { readonly v: 1; readonly kind: `${E}.delete`; readonly key: EntityKey<E> };
}[EntityName];
