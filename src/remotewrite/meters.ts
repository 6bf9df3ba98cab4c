import type { Counter, Gauge, Histogram, Meter } from '../core/meter.ts';

/** The numbers of all destinations, each by `remote`. */
export interface RemoteWriteMeters {
  readonly sent: Counter;
  readonly dropped: Counter;
  readonly skipped: Counter;
  readonly failed: Counter;
  readonly requestSeconds: Histogram;
  readonly behind: Gauge;
  readonly shards: Gauge;
  readonly queueBytes: Gauge;
}

export function createMeters(meter: Meter): RemoteWriteMeters {
  const remote = ['remote'];
  return {
    sent: meter.counter('belfry_remote_write_sent_samples_total', 'Samples that a remote write destination took.', remote),
    dropped: meter.counter('belfry_remote_write_dropped_samples_total', 'Samples that were given up, by reason.', ['remote', 'reason']),
    skipped: meter.counter(
      'belfry_remote_write_skipped_seconds_total',
      'Time whose samples were not sent, as they had become older than sample_age_limit.',
      remote,
    ),
    failed: meter.counter('belfry_remote_write_failed_requests_total', 'Requests that were not taken and are sent again.', remote),
    requestSeconds: meter.histogram(
      'belfry_remote_write_request_seconds',
      'How long requests to a destination took.',
      [0.01, 0.05, 0.25, 1, 5, 30],
      remote,
    ),
    behind: meter.gauge('belfry_remote_write_behind_seconds', 'How long ago everything had arrived at a destination.', remote),
    shards: meter.gauge('belfry_remote_write_shards', 'Requests that may be on their way to a destination at once.', remote),
    queueBytes: meter.gauge(
      'belfry_remote_write_queue_bytes',
      'Bytes of samples on their way to a destination, and of its labels.',
      remote,
    ),
  };
}
