import type { Command } from 'commander';
import { BelfryClient, type ClientOptions, withClientOptions } from './client.ts';
import type { CliContext } from './context.ts';

/** `belfry cluster accept`: the cluster behind a name was built anew on purpose. */
export function clusterCommand(program: Command, context: CliContext): void {
  const cluster = program.command('cluster').description('what Belfry knows of clusters');
  withClientOptions(cluster.command('accept'))
    .description('take the cluster that answers now as the one meant by its name')
    .argument('<name>', 'a cluster of belfry.yaml')
    .option('--json', 'the outcome as JSON')
    .addHelpText('after', '\nFor a cluster that was built anew on purpose, after BelfryClusterIdChanged. The old brokers are forgotten.')
    .action(async (name: string, options: ClientOptions & { json?: boolean }) => {
      await new BelfryClient(options, context).request('POST', `/api/belfry/v1/clusters/${encodeURIComponent(name)}/accept`);
      if (options.json === true) context.out.write(`${JSON.stringify({ cluster: name, accepted: true })}\n`);
      else context.out.write(`${name} is the cluster that answers now\n`);
    });
}
