import { createServer } from 'node:http';
import type { Command } from 'commander';
import { hostPage, readHost } from '../collectors/host/read-host.ts';
import { errorText } from '../core/errors.ts';
import { EXPOSITION_CONTENT_TYPE } from '../formats/write-exposition.ts';
import { parseListen } from './config-options.ts';
import type { CliContext } from './context.ts';

/** `belfry agent`: this host's metrics for a Belfry or a Prometheus elsewhere. */
export function agentCommand(program: Command, context: CliContext): void {
  program
    .command('agent')
    .description("serve this host's metrics under node_exporter's names, for hosts that have no node_exporter")
    .option('--listen <host:port>', 'where; 127.0.0.1:9560 where it is left out', parseListen)
    .option('--json', 'one line of JSON when it listens')
    .addHelpText(
      'after',
      '\n' +
        'It reads /proc and asks file systems for their sizes, writes nothing and starts no process.\n' +
        'An exporter has no secrets, but say --listen 0.0.0.0:9560 only where others may see the figures.',
    )
    .action(
      async ({ listen = { host: '127.0.0.1', port: 9560 }, ...options }: { listen?: { host: string; port: number }; json?: boolean }) => {
        const server = createServer((request, response) => {
          if (request.url !== '/metrics' || request.method !== 'GET') {
            response.writeHead(404, { 'content-type': 'text/plain' }).end('the metrics are at /metrics\n');
            return;
          }
          readHost('/proc', context.clock)
            .then((families) => response.writeHead(200, { 'content-type': EXPOSITION_CONTENT_TYPE }).end(hostPage(families)))
            .catch((error: unknown) => response.writeHead(500, { 'content-type': 'text/plain' }).end(`${errorText(error)}\n`));
        });
        await new Promise<void>((resolve, reject) => {
          server.once('error', reject);
          server.listen(listen.port, listen.host, resolve);
        });
        const address = server.address();
        const port = typeof address === 'object' && address !== null ? address.port : listen.port;
        const url = `http://${listen.host.includes(':') ? `[${listen.host}]` : listen.host}:${port}/metrics`;
        context.out.write(options.json === true ? `${JSON.stringify({ url })}\n` : `serving ${url}\n`);
        await new Promise<void>((resolve) => {
          const stop = (): void => {
            server.closeAllConnections();
            server.close(() => resolve());
          };
          if (context.signal.aborted) stop();
          else context.signal.addEventListener('abort', stop, { once: true });
        });
      },
    );
}
