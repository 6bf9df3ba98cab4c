import { describe, expect, it } from '@jest/globals';
import { silentMeter, type LabelValues, type Meter } from '../../../src/core/meter.ts';
import { requestMetrics } from '../../../src/collectors/kafka/request-metrics.ts';

describe('what Belfry costs a cluster', () => {
  it('is counted by cluster and API, in requests, bytes and milliseconds', () => {
    const added: string[] = [];
    const meter: Meter = {
      ...silentMeter,
      counter: (name) => ({ add: (by: number, labels?: LabelValues) => void added.push(`${name} ${JSON.stringify(labels)} ${by}`) }),
    };
    requestMetrics(meter, 'c')({ api: 'Metadata', sentBytes: 25, receivedBytes: 900, durationMs: 3.5, outcome: 'KAFKA_TIMEOUT' });
    expect(added).toEqual([
      'belfry_kafka_requests_total {"cluster":"c","api":"Metadata","code":"KAFKA_TIMEOUT"} 1',
      'belfry_kafka_request_bytes_total {"cluster":"c","api":"Metadata","direction":"sent"} 25',
      'belfry_kafka_request_bytes_total {"cluster":"c","api":"Metadata","direction":"received"} 900',
      'belfry_kafka_request_milliseconds_total {"cluster":"c","api":"Metadata"} 3.5',
    ]);
  });
});
