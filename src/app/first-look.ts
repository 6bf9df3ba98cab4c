interface Watched {
  /** It has been seen, or found not to answer, since the start. */
  readonly hasLooked: boolean;
}

/**
 * Called whenever something may have changed: calls `look` once, as soon as every cluster has been looked at since the start.
 * The rules then need not wait for their slots, and Belfry is ready when it knows what it is ready for.
 */
export function createFirstLook(parts: { readonly clusters: () => Iterable<Watched>; readonly look: () => void }): () => void {
  let isDone = false;
  return () => {
    if (isDone) return;
    for (const { hasLooked } of parts.clusters()) if (!hasLooked) return;
    isDone = true;
    parts.look();
  };
}
