import { resolve } from 'node:path';
import type { Command } from 'commander';
import { loadConfig } from '../config/load.ts';
import { problemText } from '../config/problems.ts';
import { BelfryError } from '../core/errors.ts';
import { backupState, restoreState, type BackupManifest } from '../store/state/backup.ts';
import { type ConfigOptions, loadOptionsOf, withConfigOptions } from './config-options.ts';
import type { CliContext } from './context.ts';

interface BackupOptions extends ConfigOptions {
  readonly to: string;
  readonly data?: string;
  readonly json?: boolean;
}

interface RestoreOptions extends ConfigOptions {
  readonly from: string;
  readonly to?: string;
  readonly replace?: boolean;
  readonly json?: boolean;
}

/** `belfry backup` and `belfry restore`: the state as one folder, taken while Belfry runs. */
export function backupCommands(program: Command, context: CliContext): void {
  withConfigOptions(program.command('backup'))
    .description('copy the state (alerts, incidents, silences, what was sent, the journal), also while Belfry runs')
    .requiredOption('--to <folder>', 'a new folder for the copy')
    .option('--data <folder>', "Belfry's data folder, instead of storage.path")
    .option('--json', 'what the backup holds as JSON')
    .addHelpText(
      'after',
      '\n' +
        'The folder holds the state, the API token and the key of intents: keep it as secret as they are. Samples are not in\n' +
        'it; Belfry collects new ones.\n\n' +
        'Example: belfry backup --to /var/backups/belfry-$(date +%F)',
    )
    .action((options: BackupOptions) => {
      const data = dataFolder(options.data, options, context);
      const to = resolve(context.workingFolder, options.to);
      const manifest = backupState(data, to, { version: context.version, wall: context.clock.wall() });
      report(options, context, { backup: to, ...manifest }, `${to}: ${contentsOf(manifest)}\n`);
    });
  withConfigOptions(program.command('restore'))
    .description('put a backup into a data folder; Belfry must not run on it')
    .requiredOption('--from <folder>', 'what belfry backup wrote')
    .option('--to <folder>', "Belfry's data folder, instead of storage.path")
    .option('--replace', 'put the state that is there aside')
    .option('--json', 'the outcome as JSON')
    .addHelpText(
      'after',
      '\n' +
        'The backup is checked first; nothing is changed where it is damaged. The auto-pilot comes back halted by a file HALT in\n' +
        'the data folder, as nobody knows what was done since: look, remove the file, then belfry autopilot resume.\n' +
        'Messages that waited when the backup was taken may be sent a second time.',
    )
    .action((options: RestoreOptions) => {
      const data = dataFolder(options.to, options, context);
      const from = resolve(context.workingFolder, options.from);
      const { manifest, putAside } = restoreState(from, data, { replace: options.replace === true, wall: context.clock.wall() });
      const aside = putAside === undefined ? '' : `The state that was there is in ${putAside}.\n`;
      const text =
        `${data}: ${contentsOf(manifest)}, taken ${new Date(manifest.takenAt).toISOString()}\n${aside}` +
        'The auto-pilot is halted by the file HALT there: remove it when you know what was done since, then belfry autopilot resume.\n';
      report(options, context, { data, putAside, ...manifest }, text);
    });
}

function report(options: { readonly json?: boolean }, { out }: CliContext, outcome: object, text: string): void {
  out.write(options.json === true ? `${JSON.stringify(outcome)}\n` : text);
}

function contentsOf({ files, schema }: BackupManifest): string {
  return `${files.map(({ name, sizeBytes }) => `${name} (${sizeBytes} bytes)`).join(', ')}, version ${schema} of the state`;
}

/** The one that is named, else that of the configuration; its secrets are not read. */
function dataFolder(named: string | undefined, options: ConfigOptions, context: CliContext): string {
  if (named !== undefined) return resolve(context.workingFolder, named);
  const { config, problems } = loadConfig({ ...loadOptionsOf(options, context), readSecrets: false });
  if (config !== undefined) return config.storage.path;
  throw new BelfryError('CONFIG_INVALID', problems.map(problemText).join('\n'));
}
