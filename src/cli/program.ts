import { Command } from 'commander';
import type { CliContext } from './context.ts';

/** The commands in the order in which help tells of them; each module knows one command or two that belong together. */
const COMMANDS: readonly {
  readonly names: readonly string[];
  readonly load: () => Promise<(program: Command, context: CliContext) => void>;
}[] = [
  { names: ['start'], load: async () => (await import('./start.ts')).startCommand },
  { names: ['check'], load: async () => (await import('./check.ts')).checkCommand },
  { names: ['test'], load: async () => (await import('./test.ts')).testCommand },
  { names: ['replay'], load: async () => (await import('./replay.ts')).replayCommand },
  { names: ['health'], load: async () => (await import('./health.ts')).healthCommand },
  { names: ['query'], load: async () => (await import('./query.ts')).queryCommand },
  { names: ['import'], load: async () => (await import('./import.ts')).importCommand },
  { names: ['export'], load: async () => (await import('./export.ts')).exportCommand },
  { names: ['status'], load: async () => (await import('./status.ts')).statusCommand },
  { names: ['alerts'], load: async () => (await import('./alerts.ts')).alertsCommand },
  { names: ['silence'], load: async () => (await import('./silence.ts')).silenceCommand },
  { names: ['send-test'], load: async () => (await import('./send-test.ts')).sendTestCommand },
  { names: ['broker'], load: async () => (await import('./broker.ts')).brokerCommand },
  { names: ['cluster'], load: async () => (await import('./cluster.ts')).clusterCommand },
  { names: ['backup', 'restore'], load: async () => (await import('./backup.ts')).backupCommands },
  { names: ['agent'], load: async () => (await import('./agent.ts')).agentCommand },
  { names: ['autopilot'], load: async () => (await import('./autopilot.ts')).autopilotCommand },
  { names: ['rebalance'], load: async () => (await import('./rebalance.ts')).rebalanceCommand },
  { names: ['executor'], load: async () => (await import('./executor.ts')).executorCommand },
];

/**
 * Runs what the words after `belfry` say. Only the command that the first one names is loaded, and where it names none all
 * are: what `start` needs takes most of a second, `alerts` a tenth of it. Rejects with commander's own error for a wrong
 * command line.
 */
export async function runProgram(context: CliContext, words: readonly string[]): Promise<void> {
  const program = new Command('belfry')
    .description('Watches self-served Kafka clusters and tells the owner of each when something is wrong.')
    .version(context.version)
    .showHelpAfterError('(belfry COMMAND --help tells more)')
    .exitOverride()
    .configureOutput({ writeOut: (text) => context.out.write(text), writeErr: (text) => context.err.write(text) })
    .addHelpText(
      'after',
      '\n' +
        'Start here:\n' +
        '  belfry start --brokers localhost:9092    watch one cluster, without a configuration\n' +
        '  belfry check belfry.yaml                 every mistake of a configuration, with its place\n' +
        '  belfry alerts --watch                    what is wrong now',
    );
  const named = COMMANDS.filter(({ names }) => names.includes(words[0] ?? ''));
  for (const { load } of named.length > 0 ? named : COMMANDS) (await load())(program, context);
  await program.parseAsync(words, { from: 'user' });
}
