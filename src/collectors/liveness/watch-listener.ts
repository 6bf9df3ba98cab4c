import type { Logger } from '../../core/log.ts';
import type { BrokerEntry } from './broker-entry.ts';
import type { WatchListener } from './broker-watch.ts';
import type { StallDetector } from './stall-detector.ts';
import type { LivenessTimings } from './timings.ts';

export interface ListenerParts {
  readonly log: Logger;
  readonly timings: LivenessTimings;
  readonly stalls: StallDetector;
  now(): number;
  answered(entry: BrokerEntry): void;
  /** Its connection is gone: survivors are to be asked. */
  beginLooks(entry: BrokerEntry): void;
  evaluate(brokerId: number): void;
  discarded(what: 'ping' | 'connect'): void;
}

/** Turns what the watch of a broker tells into facts of its outage. */
export function listenTo(entry: BrokerEntry, parts: ListenerParts): WatchListener {
  const { state } = entry;
  return {
    answered: () => parts.answered(entry),
    broke: (ended) => {
      state.broke(ended.at, parts.stalls.justEnded);
      parts.log.debug('broker_connection_broke', { broker: state.id, kind: ended.kind, detail: ended.detail });
      parts.beginLooks(entry);
    },
    attemptFailed: (attempt) => {
      const gone = attempt.kind === 'refused' || attempt.kind === 'reset';
      // The silent process is gone: from here on the same proof counts as after a break.
      if (gone && state.outage?.origin === 'silence') {
        state.broke(attempt.startedAt);
        state.attemptFailed(attempt);
        parts.beginLooks(entry);
        return;
      }
      state.attemptFailed(attempt);
      parts.evaluate(state.id);
    },
    pingMissed: (missed, since) => {
      if (missed < parts.timings.suspectAfterPings) return;
      const first = state.outage === undefined;
      state.silent(since, parts.now());
      if (first) parts.beginLooks(entry);
      else parts.evaluate(state.id);
    },
    discarded: (what) => parts.discarded(what),
  };
}
