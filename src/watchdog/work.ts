/**
 * When each part of Belfry last did its work, Belfry time in ms; undefined where it has not yet. What counts:
 * collection, an answer of at least one cluster (with none configured, a reading of Belfry's own metrics); rules, an
 * evaluation in which a rule gave a result; outbox, an attempt that was concluded, whatever came of it, or that nothing
 * was due: a receiver that is down is not Belfry's fault, a message that nobody tries to deliver is.
 */
export interface WorkSources {
  readonly collection: () => number | undefined;
  readonly rules: () => number | undefined;
  readonly outbox: () => number | undefined;
}

const NOT_DONE: Readonly<Record<keyof WorkSources, string>> = {
  collection: 'no cluster has answered',
  rules: 'no rule has been evaluated',
  outbox: 'no message that is due has been tried',
};

/** The parts that have not worked within the time, each as a sentence; empty where all have. */
export function idleParts(sources: WorkSources, now: number, withinMs: number): readonly string[] {
  const idle: string[] = [];
  for (const part of ['collection', 'rules', 'outbox'] as const) {
    const workedAt = sources[part]();
    if (workedAt === undefined) idle.push(`${NOT_DONE[part]} yet`);
    else if (now - workedAt > withinMs) idle.push(`${NOT_DONE[part]} for ${Math.round((now - workedAt) / 1000)} s`);
  }
  return idle;
}
