import type { Meter } from '../../core/meter.ts';
import type { RequestEvent } from '../../kafka/connection.ts';

/** What Belfry costs a cluster, by API: the hook for `ConnectorOptions.onRequest`. */
export function requestMetrics(meter: Meter, cluster: string): (event: RequestEvent) => void {
  const requests = meter.counter('belfry_kafka_requests_total', 'Requests sent to brokers; code is ok or an error code.', [
    'cluster',
    'api',
    'code',
  ]);
  const bytes = meter.counter('belfry_kafka_request_bytes_total', 'Bytes of requests sent and of answers received.', [
    'cluster',
    'api',
    'direction',
  ]);
  const time = meter.counter('belfry_kafka_request_milliseconds_total', 'Time from sending a request until its answer was decoded.', [
    'cluster',
    'api',
  ]);
  return ({ api, outcome, sentBytes, receivedBytes, durationMs }) => {
    requests.add(1, { cluster, api, code: outcome });
    bytes.add(sentBytes, { cluster, api, direction: 'sent' });
    bytes.add(receivedBytes, { cluster, api, direction: 'received' });
    time.add(durationMs, { cluster, api });
  };
}
