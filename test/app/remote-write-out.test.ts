import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRemoteWriteOut } from '../../src/app/remote-write-out.ts';
import { SystemClock } from '../../src/core/clock.ts';
import { Labels } from '../../src/core/labels.ts';
import { silentLogger } from '../../src/core/log.ts';
import { PageParser } from '../../src/formats/page-parser.ts';
import { decompressSnappy } from '../../src/formats/snappy.ts';
import { openSampleStore } from '../../src/store/sample-store.ts';
import { openStateDb } from '../../src/store/state/state-db.ts';
import { PrometheusMeter } from '../../src/telemetry/prometheus-meter.ts';
import { HttpStandIn, readBody } from '../../testbed/http-stand-in.ts';
import { destinationAt } from '../remotewrite/harness.ts';

let folder = '';
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'belfry-remote-write-out-'))));
afterEach(() => rmSync(folder, { recursive: true }));

it("tells a destination what metrics are: Belfry's own, those of Kafka, and those of pages that are scraped", async () => {
  const message = Promise.withResolvers<string>();
  await using standIn = await HttpStandIn.listen((request, response) => {
    void readBody(request).then((body) => {
      message.resolve(Buffer.from(decompressSnappy(body, 1_000_000)).toString('latin1'));
      response.writeHead(204).end();
    });
  });
  const [clock, meter, log] = [new SystemClock(), new PrometheusMeter(), silentLogger];
  meter.counter('belfry_own_total', 'One of its own.');
  const samples = openSampleStore({ path: ':memory:', clock, log, meter, retentionMs: 86_400_000 });
  const stateDb = openStateDb({ path: join(folder, 'state.db'), clock, log, meter });
  const { template } = new PageParser().parse(
    Buffer.from('# TYPE of_a_page gauge\n# HELP of_a_page Of a page.\nof_a_page 1\n'),
    'text',
  ).layout;
  const remoteWrite = createRemoteWriteOut({
    samples,
    stateDb,
    clock,
    log,
    meter,
    clusters: () => [{ pages: [{ labels: Labels.empty, template }] }],
  });
  await remoteWrite.replace([destinationAt(standIn.url, { metadata: { send: true, intervalMs: 60_000 } })]);
  const text = await message.promise;
  for (const help of ['One of its own.', 'kafka_brokers', 'Of a page.']) expect(text).toContain(help);
  await remoteWrite.stop();
  stateDb.close();
  samples.close();
});
