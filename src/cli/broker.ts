import { type Command, InvalidArgumentError } from 'commander';
import { BelfryClient, type ClientOptions, withClientOptions } from './client.ts';
import type { CliContext } from './context.ts';

/** `belfry broker forget`: a broker that was taken away for good is no longer expected. */
export function brokerCommand(program: Command, context: CliContext): void {
  const broker = program.command('broker').description('what Belfry knows of brokers');
  withClientOptions(broker.command('forget'))
    .description('stop expecting a broker that was taken away for good')
    .argument('<id>', 'the broker id', brokerId)
    .requiredOption('--cluster <name>', 'a cluster of belfry.yaml')
    .option('--json', 'the outcome as JSON')
    .addHelpText(
      'after',
      '\n' +
        'A broker that holds no replica and was stopped in an orderly way is forgotten by itself after 30 minutes.\n' +
        'One that is alive, or whose id stands in a replica list, will be expected again at the next look.',
    )
    .action(async (id: number, options: ClientOptions & { cluster: string; json?: boolean }) => {
      const client = new BelfryClient(options, context);
      await client.request('DELETE', `/api/belfry/v1/clusters/${encodeURIComponent(options.cluster)}/brokers/${id}`);
      if (options.json === true) context.out.write(`${JSON.stringify({ cluster: options.cluster, broker: id, forgotten: true })}\n`);
      else context.out.write(`broker ${id} of ${options.cluster} is no longer expected\n`);
    });
}

function brokerId(text: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new InvalidArgumentError('expected a broker id, a whole number.');
  return Number(text);
}
