import { describe, expect, it } from '@jest/globals';
import { Secret } from '../../src/core/secret.ts';
import { createLogger, type LogLevel } from '../../src/telemetry/logger.ts';

function logged(level: LogLevel, write: (log: ReturnType<typeof createLogger>) => void): readonly Record<string, unknown>[] {
  const lines: string[] = [];
  write(createLogger(level, { write: (line) => void lines.push(line) }));
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe('a log line', () => {
  it('has its level, time, event and fields, those of its logger too', () => {
    const [line] = logged('info', (log) => log.child({ cluster: 'orders' }).warn('cluster_unreachable', { broker: 2 }));
    expect(line).toEqual({
      level: 'warn',
      time: expect.stringMatching(/^\d{4}-.*Z$/),
      event: 'cluster_unreachable',
      cluster: 'orders',
      broker: 2,
    });
  });

  it('is left out below the level', () => {
    expect(logged('warn', (log) => log.info('x')).length + logged('debug', (log) => log.debug('x')).length).toBe(1);
  });

  it('tells an error with its causes and its stack', () => {
    const error = new Error('request failed', { cause: new Error('connect ECONNREFUSED') });
    const [line] = logged('info', (log) => log.error('failed', { error }));
    expect(line).toMatchObject({
      error: { name: 'Error', message: 'request failed: connect ECONNREFUSED', stack: expect.stringContaining('logger.test') },
    });
  });

  it('shows no secret, whatever it is called and wherever it stands', () => {
    const fields = {
      given: new Secret('hunter2'),
      deep: { deeper: [new Secret('hunter2')] },
      password: 'hunter2',
      sasl: { password: 'hunter2' },
    };
    const [line] = logged('info', (log) => log.child({ token: 'hunter2' }).info('x', fields));
    expect(JSON.stringify(line)).not.toContain('hunter2');
  });

  it('is one line, whatever its fields hold', () => {
    const lines: string[] = [];
    createLogger('info', { write: (line) => void lines.push(line) }).info('x', { text: 'a\nb\u2028', circle: {} });
    expect(lines).toHaveLength(1);
    expect(lines[0]?.trimEnd().split('\n')).toHaveLength(1);
  });
});
