import type { Command } from 'commander';
import { z } from 'zod';
import { BelfryClient, type ClientOptions, withClientOptions } from './client.ts';
import type { CliContext } from './context.ts';
import { printable, table } from './table.ts';

const answerSchema = z.object({ deliveries: z.array(z.object({ integration: z.string(), outcome: z.string(), ok: z.boolean() })) });

/** `belfry send-test --owner X`: does a message reach them? */
export function sendTestCommand(program: Command, context: CliContext): void {
  withClientOptions(program.command('send-test'))
    .description("send a test message to every one of an owner's channels")
    .requiredOption('--owner <name>', 'an owner of belfry.yaml')
    .option('--json', 'the outcomes as JSON')
    .addHelpText('after', '\nThe message says that it is a test. Exit status: 1 when one of the channels failed.')
    .action(async (options: ClientOptions & { owner: string; json?: boolean }) => {
      const client = new BelfryClient(options, context);
      const answer = await client.ask(answerSchema, 'POST', `/api/belfry/v1/owners/${encodeURIComponent(options.owner)}/test`);
      if (answer.deliveries.some(({ ok }) => !ok)) context.setExitCode(1);
      if (options.json === true) context.out.write(`${JSON.stringify(answer, null, 2)}\n`);
      else
        context.out.write(
          table([
            ['CHANNEL', 'OUTCOME'],
            ...answer.deliveries.map(({ integration, outcome }) => [printable(integration), printable(outcome)]),
          ]),
        );
    });
}
