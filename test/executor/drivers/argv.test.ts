import { describe, expect, it } from '@jest/globals';
import { fillArgv, placeholderProblem, type TemplateValues } from '../../../src/executor/drivers/argv.ts';

const VALUES: TemplateValues = {
  cluster: 'orders-dal',
  broker: 2,
  host: 'kafka2.example.com',
  action: 'repair',
  intent: '01J0000000000000000000000A',
  desired: 4,
  token: 17,
};

describe('a command template', () => {
  it('fills each placeholder and leaves everything else as it is', () => {
    expect(fillArgv(['ssh', '{host}', 'restart --id={broker}', '$(reboot) ; {intent}'], VALUES)).toEqual([
      'ssh',
      'kafka2.example.com',
      'restart --id=2',
      '$(reboot) ; 01J0000000000000000000000A',
    ]);
  });

  it.each<[keyof TemplateValues, string]>([
    ['host', '-oProxyCommand=reboot'],
    ['host', 'kafka2 reboot'],
    ['host', 'root@kafka2'],
    ['host', 'kafka2;reboot'],
    ['host', 'kafka2\nreboot'],
    ['host', ''],
    ['cluster', '--config=/etc/passwd'],
    ['cluster', '../other'],
    ['cluster', 'orders dal'],
    ['cluster', '{host}'],
    ['broker', '-1'],
    ['broker', '2 3'],
    ['broker', '1e3'],
    ['action', 'destroy'],
    ['intent', '-rf'],
    ['intent', 'a/../../b'],
    ['desired', 'NaN'],
    ['token', '1.5'],
  ])('does not take %s = %j', (name, value) => {
    expect(() => fillArgv(['ctl', `{${name}}`], { ...VALUES, [name]: value })).toThrow(`{${name}} cannot be`);
  });

  it('names the broker whose machine is not known', () => {
    const { host: _, ...rest } = VALUES;
    expect(() => fillArgv(['ssh', '{host}'], rest)).toThrow('no host is configured for broker 2');
  });

  it.each([
    ['{host}', true, 'cannot hold a placeholder'],
    ['', true, 'names no program'],
    ['{hots}', false, 'unknown placeholder {hots}'],
    ['{constructor}', false, 'unknown placeholder'],
    ['a\0b', false, 'zero byte'],
    ['{host}', false, undefined],
  ])('judges %j as a part of it', (part, isProgram, problem) => {
    const found = placeholderProblem(part, isProgram);
    if (problem === undefined) expect(found).toBeUndefined();
    else expect(found).toContain(problem);
  });
});
