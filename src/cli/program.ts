import { Command } from 'commander';
import { agentCommand } from './agent.ts';
import { alertsCommand } from './alerts.ts';
import { autopilotCommand } from './autopilot.ts';
import { backupCommands } from './backup.ts';
import { brokerCommand } from './broker.ts';
import { checkCommand } from './check.ts';
import { clusterCommand } from './cluster.ts';
import type { CliContext } from './context.ts';
import { executorCommand } from './executor.ts';
import { exportCommand } from './export.ts';
import { healthCommand } from './health.ts';
import { importCommand } from './import.ts';
import { queryCommand } from './query.ts';
import { rebalanceCommand } from './rebalance.ts';
import { replayCommand } from './replay.ts';
import { sendTestCommand } from './send-test.ts';
import { silenceCommand } from './silence.ts';
import { startCommand } from './start.ts';
import { statusCommand } from './status.ts';
import { testCommand } from './test.ts';

/** Every command. Parsing rejects with commander's own error for a wrong command line. */
export function buildProgram(context: CliContext): Command {
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
  startCommand(program, context);
  checkCommand(program, context);
  testCommand(program, context);
  replayCommand(program, context);
  healthCommand(program, context);
  queryCommand(program, context);
  importCommand(program, context);
  exportCommand(program, context);
  statusCommand(program, context);
  alertsCommand(program, context);
  silenceCommand(program, context);
  sendTestCommand(program, context);
  brokerCommand(program, context);
  clusterCommand(program, context);
  backupCommands(program, context);
  agentCommand(program, context);
  autopilotCommand(program, context);
  rebalanceCommand(program, context);
  executorCommand(program, context);
  return program;
}
