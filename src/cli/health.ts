import type { Command } from 'commander';
import { BelfryError } from '../core/errors.ts';
import { BelfryClient, type ClientOptions, withClientOptions } from './client.ts';
import type { CliContext } from './context.ts';
import { printable } from './table.ts';

/** `belfry health`: for scripts, containers and the probes of Kubernetes, where nobody can send an HTTP request. */
export function healthCommand(program: Command, context: CliContext): void {
  withClientOptions(program.command('health'))
    .description('ask the running Belfry whether it answers; with --ready, whether it does its work')
    .option('--ready', 'also fail while it does not collect, evaluate, remember or deliver')
    .addHelpText(
      'after',
      '\nA liveness probe asks without --ready: a restart mends no broken disk and no network.\n\n' +
        'Exit status: 0 when it is well, 1 when it is not or does not answer.',
    )
    .action(async (options: ClientOptions & { ready?: boolean }) => {
      const { ok, text } = await new BelfryClient(options, context).probe('GET', options.ready === true ? '/-/ready' : '/-/healthy');
      const said = text.trim().split('\n').map(printable).join('\n');
      if (!ok) throw new BelfryError('NOT_READY', said);
      context.out.write(`${said}\n`);
    });
}
