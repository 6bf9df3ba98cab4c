// Takes remote write in, over HTTP, into the store at a path, until it is killed. Tells its address on standard output.
import { createRemoteWritePort } from '../../src/app/remote-write-port.ts';
import { SystemClock } from '../../src/core/clock.ts';
import { silentLogger } from '../../src/core/log.ts';
import { silentMeter } from '../../src/core/meter.ts';
import { startHttpServer } from '../../src/http/server.ts';
import { openSampleStore } from '../../src/store/sample-store.ts';
import { serverWith } from '../http/harness.ts';

const DAY = 86_400_000;
const clock = new SystemClock();
const tell = (text: string): void => void process.stdout.write(`${text}\n`);
const trouble = (event: string, fields: object = {}): void => tell(`trouble ${event} ${JSON.stringify(fields)}`);
const store = openSampleStore({
  path: process.argv[2] ?? '',
  clock,
  log: { ...silentLogger, error: trouble, warn: trouble },
  meter: silentMeter,
  retentionMs: DAY,
});
store.start();
const remoteWrite = createRemoteWritePort({ store, clock, meter: silentMeter, retentionMs: () => DAY });
const { url } = await startHttpServer(serverWith({ ports: { remoteWrite } }).serverOptions);
tell(`listens ${url}`);
