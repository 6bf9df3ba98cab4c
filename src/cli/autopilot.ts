import { type Command, InvalidArgumentError, Option } from 'commander';
import { ACTIONS, INTENT_STATES, MODES } from '../core/autopilot.ts';
import { BelfryError } from '../core/errors.ts';
import {
  confirmedSchema,
  intentSchema,
  intentsSchema,
  journalSchema,
  renderIntent,
  renderIntents,
  renderJournal,
  renderReport,
  renderSimulation,
  renderState,
  reportSchema,
  shownIntentSchema,
  simulationSchema,
  type State,
  stateSchema,
} from './autopilot-views.ts';
import { BelfryClient, type ClientOptions, JsonBody, withClientOptions } from './client.ts';
import type { CliContext } from './context.ts';
import { CLEAR_SCREEN, watch } from './watch.ts';

const PREFIX = '/api/belfry/v1/autopilot';

interface Shown extends ClientOptions {
  readonly json?: boolean;
}

interface Said extends Shown {
  readonly by?: string;
  readonly reason: string;
}

/** `belfry autopilot`: what it does and why, and everything people decide about it. */
export function autopilotCommand(program: Command, context: CliContext): void {
  const autopilot = program
    .command('autopilot')
    .description('what the auto-pilot does and why; approve, halt, hold, promote')
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  belfry autopilot status --watch                       where everything stands\n' +
        '  belfry autopilot show ID                              one intent, its guards and its journal\n' +
        '  belfry autopilot approve ID --reason "seen, go on"    let it act\n' +
        '  belfry autopilot halt --reason "network work"         stop everything, at once\n' +
        '  belfry autopilot simulate --cluster orders-dal --fault broker=2:down\n\n' +
        'Without Belfry: a file named HALT in its data folder halts too.',
    );
  lookCommands(autopilot, context);
  journalCommands(autopilot, context);
  intentCommands(autopilot, context);
  switchCommands(autopilot, context);
  holdCommands(autopilot, context);
  trustCommands(autopilot, context);
  tryCommands(autopilot, context);
}

function lookCommands(parent: Command, context: CliContext): void {
  looking(parent, 'status', 'the switches, each cluster with its modes, and the intents that have not ended')
    .option('--cluster <name>', 'only one cluster')
    .option('--watch', 'stay, and show changes as they come')
    .action(async (options: Shown & { cluster?: string; watch?: boolean }) => {
      const client = new BelfryClient(options, context);
      const read = async (): Promise<State> => ofCluster(await client.ask(stateSchema, 'GET', PREFIX), options.cluster);
      const isScreen = options.watch === true && context.out.isTerminal && options.json !== true;
      const show = (state: State): void => {
        const text = options.json === true ? json(state, options.watch) : renderState(state, context.clock.wall());
        context.out.write(isScreen ? CLEAR_SCREEN + text : text);
      };
      if (options.watch === true) await watch(context, read, show, (state) => state);
      else show(await read());
    });

  looking(parent, 'intents', 'intents, those that ended lately too')
    .option('--cluster <name>', 'only one cluster')
    .addOption(new Option('--state <state>', 'only those in one state').choices(INTENT_STATES))
    .action(async (options: Shown & { cluster?: string; state?: string }) => {
      const query = queryOf({ cluster: options.cluster, state: options.state });
      const answer = await new BelfryClient(options, context).ask(intentsSchema, 'GET', `${PREFIX}/intents${query}`);
      say(context, options, answer, () => renderIntents(answer.intents, context.clock.wall()));
    });
}

function journalCommands(parent: Command, context: CliContext): void {
  looking(parent, 'show', 'one intent: why, which guards hold, and what happened to it')
    .argument('<id>', 'the id of the intent')
    .action(async (id: string, options: Shown) => {
      const answer = await new BelfryClient(options, context).ask(shownIntentSchema, 'GET', `${PREFIX}/intents/${encodeURIComponent(id)}`);
      say(context, options, answer, () => renderIntent(answer, context.clock.wall()));
    });

  looking(parent, 'journal', 'every edge and decision, newest first')
    .option('--cluster <name>', 'only one cluster')
    .option('--intent <id>', 'only one intent')
    .option('--before <number>', 'only lines before this one', positive)
    .option('--limit <count>', 'so many lines at most', positive, 50)
    .action(async (options: Shown & { cluster?: string; intent?: string; before?: number; limit: number }) => {
      const { cluster, intent, before, limit } = options;
      const query = queryOf({ cluster, intent, before: before?.toString(), limit: String(limit) });
      const answer = await new BelfryClient(options, context).ask(journalSchema, 'GET', `${PREFIX}/journal${query}`);
      say(context, options, answer, () => renderJournal(answer.lines));
    });
}

function intentCommands(parent: Command, context: CliContext): void {
  // Messages name these commands as they are to be pasted at night: a reason may be given, and need not.
  for (const [verb, description, reason] of [
    ['approve', 'let an intent be acted on; its guards are judged once more before anything is done', 'approved on the command line'],
    ['reject', 'end an intent on which nobody has acted', 'rejected on the command line'],
  ] as const) {
    looking(parent, verb, description)
      .option('--by <name>', 'who you are; else the user of this shell')
      .option('--reason <text>', 'why; the journal keeps it', reason)
      .argument('<id>', 'the id of the intent, as in "belfry autopilot intents"')
      .action(async (id: string, options: Said) => {
        const path = `${PREFIX}/intents/${encodeURIComponent(id)}/${verb}`;
        const answer = await new BelfryClient(options, context).ask(intentSchema, 'POST', path, command(context, options));
        say(context, options, answer, () => renderIntents([answer], context.clock.wall()));
      });
  }
}

function switchCommands(parent: Command, context: CliContext): void {
  for (const [verb, path, description] of [
    ['halt', '/halt', 'stop everything: leases are revoked, nothing new is begun, automatic acts need approval again'],
    ['resume', '/resume', 'end a halt; the file HALT must be gone'],
    ['close-breaker', '/breaker/close', 'close the breaker that opened when too much broke at once'],
  ] as const) {
    deciding(parent, verb, description).action(async (options: Said) => {
      const answer = await new BelfryClient(options, context).ask(stateSchema, 'POST', PREFIX + path, command(context, options));
      say(context, options, answer, () => renderState(answer, context.clock.wall()));
    });
  }

  deciding(parent, 'confirm', 'let modes that the configuration raised hold')
    .option('--cluster <name>', 'only those of one cluster')
    .action(async (options: Said & { cluster?: string }) => {
      const body = command(context, options, { cluster: options.cluster });
      const answer = await new BelfryClient(options, context).ask(confirmedSchema, 'POST', `${PREFIX}/confirm`, body);
      say(context, options, answer, () =>
        answer.raised.length === 0
          ? 'nothing waited for a confirmation\n'
          : answer.raised.map(({ cluster, action, from, to }) => `${cluster}: ${action} from ${from} to ${to}\n`).join(''),
      );
    });
}

function holdCommands(parent: Command, context: CliContext): void {
  deciding(parent, 'hold', 'do nothing to a cluster for a while')
    .requiredOption('--cluster <name>', "a cluster, or '*' for all")
    .requiredOption('--for <duration>', 'such as 2h')
    .action(async (options: Said & { cluster: string; for: string }) => {
      const answer = await new BelfryClient(options, context).request(
        'POST',
        `${PREFIX}/clusters/${encodeURIComponent(options.cluster)}/hold`,
        command(context, options, { for: options.for }),
      );
      say(context, options, answer, () => `${options.cluster} is held for ${options.for}\n`);
    });

  looking(parent, 'release', 'end a hold before its time')
    .requiredOption('--cluster <name>', "a cluster, or '*' for the hold of all")
    .option('--by <name>', 'who you are; else the user of this shell')
    .action(async (options: Shown & { cluster: string; by?: string }) => {
      const body = new JsonBody({ by: nameOf(context, options.by) });
      await new BelfryClient(options, context).request('DELETE', `${PREFIX}/clusters/${encodeURIComponent(options.cluster)}/hold`, body);
      say(context, options, { cluster: options.cluster, released: true }, () => `${options.cluster} is no longer held\n`);
    });

  deciding(parent, 'reset', 'after a person has mended a broker: look at it as if nothing had been tried')
    .requiredOption('--cluster <name>', 'a cluster')
    .requiredOption('--broker <id>', 'the broker id', brokerId)
    .action(async (options: Said & { cluster: string; broker: number }) => {
      const { cluster, broker } = options;
      const path = `${PREFIX}/clusters/${encodeURIComponent(cluster)}/reset`;
      await new BelfryClient(options, context).request('POST', path, command(context, options, { broker }));
      say(context, options, { cluster, broker, reset: true }, () => `broker ${broker} of ${cluster} begins anew\n`);
    });
}

function trustCommands(parent: Command, context: CliContext): void {
  looking(parent, 'report', 'each act, done or only said: was it needed, did it heal by itself, was it wrong')
    .option('--cluster <name>', 'one cluster, with what a promotion still asks for')
    .option('--days <count>', 'so many days back', positive, 30)
    .action(async (options: Shown & { cluster?: string; days: number }) => {
      const query = queryOf({ cluster: options.cluster, days: String(options.days) });
      const answer = await new BelfryClient(options, context).ask(reportSchema, 'GET', `${PREFIX}/report${query}`);
      say(context, options, answer, () => renderReport(answer));
    });

  deciding(parent, 'promote', 'let the auto-pilot do more, where it has earned it')
    .requiredOption('--cluster <name>', 'a cluster')
    .addOption(new Option('--action <action>', 'what it may do').choices(ACTIONS).makeOptionMandatory())
    .addOption(new Option('--to <mode>', 'how far').choices(MODES).makeOptionMandatory())
    .option('--force', 'although conditions are not met; that is written to the journal')
    .action(async (options: Said & { cluster: string; action: string; to: string; force?: boolean }) => {
      const { cluster, action, to, force = false } = options;
      const body = command(context, options, { cluster, action, to, force });
      const answer = await new BelfryClient(options, context).ask(stateSchema, 'POST', `${PREFIX}/promote`, body);
      say(context, options, answer, () => `${action} in ${cluster} is at ${to}\n`);
    });
}

function tryCommands(parent: Command, context: CliContext): void {
  looking(parent, 'simulate', 'what would happen if this broke now, and which guards hold; nothing is done')
    .requiredOption('--cluster <name>', 'a cluster')
    .requiredOption('--fault <fault>', 'broker=2:down, broker=2:fenced, blind or reassigning; more than once', collected)
    .action(async (options: Shown & { cluster: string; fault: readonly string[] }) => {
      const body = new JsonBody({ cluster: options.cluster, faults: options.fault });
      const answer = await new BelfryClient(options, context).ask(simulationSchema, 'POST', `${PREFIX}/simulate`, body);
      say(context, options, answer, () => renderSimulation(answer));
    });

  looking(parent, 'drill', 'restart a broker that is well, to see that everything works; only where the cluster is labelled drill: yes')
    .requiredOption('--cluster <name>', 'a cluster')
    .requiredOption('--broker <id>', 'the broker id', brokerId)
    .option('--by <name>', 'who you are; else the user of this shell')
    .action(async (options: Shown & { cluster: string; broker: number; by?: string }) => {
      const { cluster, broker, by } = options;
      const body = new JsonBody({ cluster, broker, by: nameOf(context, by) });
      const answer = await new BelfryClient(options, context).ask(intentSchema, 'POST', `${PREFIX}/drill`, body);
      say(context, options, answer, () => renderIntents([answer], context.clock.wall()));
    });
}

function looking(parent: Command, name: string, description: string): Command {
  return withClientOptions(parent.command(name)).description(description).option('--json', 'the answer as JSON');
}

/** A command that the journal keeps with a name and a reason. */
function deciding(parent: Command, name: string, description: string): Command {
  return looking(parent, name, description)
    .option('--by <name>', 'who you are; else the user of this shell')
    .requiredOption('--reason <text>', 'why; the journal keeps it');
}

function command(context: CliContext, { by, reason }: Said, more: Readonly<Record<string, unknown>> = {}): JsonBody {
  return new JsonBody({ by: nameOf(context, by), reason, ...more });
}

function nameOf({ environment }: CliContext, by: string | undefined): string {
  const name = by ?? environment.lookup('USER') ?? environment.lookup('LOGNAME');
  if (name === undefined) throw new BelfryError('BAD_REQUEST', 'who are you? Say it with --by NAME');
  return name;
}

function say({ out }: CliContext, { json: isJson }: Shown, answer: unknown, render: () => string): void {
  out.write(isJson === true ? json(answer) : render());
}

function json(answer: unknown, isLine = false): string {
  return `${JSON.stringify(answer, null, isLine ? 0 : 2)}\n`;
}

function ofCluster(state: State, cluster: string | undefined): State {
  if (cluster === undefined) return state;
  return {
    ...state,
    clusters: state.clusters.filter(({ name }) => name === cluster),
    intents: state.intents.filter((intent) => intent.cluster === cluster),
  };
}

function queryOf(parameters: Readonly<Record<string, string | undefined>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) query.set(name, value);
  return query.size === 0 ? '' : `?${query.toString()}`;
}

function collected(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

function positive(text: string): number {
  if (!/^\d{1,10}$/.test(text) || Number(text) === 0) throw new InvalidArgumentError('expected a whole number above 0.');
  return Number(text);
}

function brokerId(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('expected a broker id, a whole number.');
  return Number(text);
}
