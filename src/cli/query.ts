import type { Command } from 'commander';
import { z } from 'zod';
import { Labels } from '../core/labels.ts';
import { BelfryClient, type ClientOptions, withClientOptions } from './client.ts';
import type { CliContext } from './context.ts';
import { printable } from './table.ts';

const pair = z.tuple([z.number(), z.string()]);
const labels = z.record(z.string(), z.string());
const answerSchema = z.object({
  data: z.discriminatedUnion('resultType', [
    z.object({ resultType: z.literal('scalar'), result: pair }),
    z.object({ resultType: z.literal('string'), result: pair }),
    z.object({ resultType: z.literal('vector'), result: z.array(z.object({ metric: labels, value: pair })) }),
    z.object({ resultType: z.literal('matrix'), result: z.array(z.object({ metric: labels, values: z.array(pair) })) }),
  ]),
  warnings: z.array(z.string()).default([]),
  infos: z.array(z.string()).default([]),
});

/** `belfry query EXPR`: one evaluation, as `promtool query instant` prints it. */
export function queryCommand(program: Command, context: CliContext): void {
  withClientOptions(program.command('query'))
    .description('evaluate a PromQL expression now, on the running Belfry')
    .argument('<expression>', "such as 'belfry_kafka_leaderless_partitions > 0'")
    .option('--time <time>', 'at this time: Unix seconds, or RFC 3339')
    .option('--json', 'the answer of the HTTP API as it is')
    .addHelpText(
      'after',
      "\nExamples:\n  belfry query 'up == 0'\n  belfry query 'sum by (topic) (rate(kafka_topic_partition_current_offset[5m]))'",
    )
    .action(async (expression: string, options: ClientOptions & { time?: string; json?: boolean }) => {
      const client = new BelfryClient(options, context);
      const form = { query: expression, ...(options.time === undefined ? {} : { time: options.time }) };
      if (options.json === true) {
        context.out.write(`${JSON.stringify(await client.request('POST', '/api/v1/query', form), null, 2)}\n`);
        return;
      }
      const { data, warnings, infos } = await client.ask(answerSchema, 'POST', '/api/v1/query', form);
      for (const note of [...warnings, ...infos]) context.err.write(`note: ${printable(note)}\n`);
      for (const line of linesOf(data)) context.out.write(`${line}\n`);
      if (data.resultType === 'vector' && data.result.length === 0) context.err.write('no series match\n');
    });
}

function linesOf(data: z.output<typeof answerSchema>['data']): readonly string[] {
  switch (data.resultType) {
    case 'scalar':
    case 'string':
      return [printable(data.result[1])];
    case 'vector':
      return data.result.map(({ metric, value }) => `${printable(Labels.of(metric).toString())} ${printable(value[1])}`);
    case 'matrix':
      return data.result.flatMap(({ metric, values }) => [
        printable(Labels.of(metric).toString()),
        ...values.map(([seconds, value]) => `  ${new Date(seconds * 1000).toISOString()} ${value}`),
      ]);
  }
}
