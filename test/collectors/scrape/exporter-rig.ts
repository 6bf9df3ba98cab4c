import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ScrapeTarget, type ScrapeTargetOptions } from '../../../src/collectors/scrape/scrape-target.ts';
import { SystemClock } from '../../../src/core/clock.ts';
import { silentLogger } from '../../../src/core/log.ts';
import { silentMeter } from '../../../src/core/meter.ts';
import { RecordingWriter } from '../../fakes/recording-writer.ts';

/** Exporters that answer as a test says, and targets that scrape them; `close` after each test. */
export class ExporterRig {
  readonly servers: Server[] = [];
  readonly #targets: ScrapeTarget[] = [];

  /** Its port. */
  async exporter(listener: RequestListener): Promise<number> {
    const server = createServer(listener);
    this.servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  }

  target(port: number, options: Partial<ScrapeTargetOptions> = {}): { readonly made: ScrapeTarget; readonly writer: RecordingWriter } {
    const writer = new RecordingWriter();
    const made = new ScrapeTarget({
      job: 'jmx',
      source: { scheme: 'http', host: '127.0.0.1', port, path: '/metrics', basicAuth: undefined, bearerToken: undefined, tls: undefined },
      labels: { cluster: 'orders' },
      intervalMs: 15_000,
      timeoutMs: 5000,
      honorTimestamps: true,
      writer,
      clock: new SystemClock(),
      log: silentLogger,
      meter: silentMeter,
      ...options,
    });
    this.#targets.push(made);
    return { made, writer };
  }

  async close(): Promise<void> {
    for (const target of this.#targets.splice(0)) target.close();
    for (const server of this.servers.splice(0)) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }
}
