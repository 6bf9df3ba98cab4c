import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { BelfryError } from '../../src/core/errors.ts';
import { ManualClock } from '../../src/core/clock.ts';
import {
  decodeAlterConfigs,
  decodeAlterReassignments,
  decodeElectLeaders,
  decodeUnregisterBroker,
  writeAlterConfigsRequest,
  writeAlterReassignmentsRequest,
  writeElectLeadersRequest,
  writeUnregisterBrokerRequest,
} from '../../src/kafka/admin-requests.ts';
import { decodeReplicaSizes } from '../../src/kafka/log-dirs.ts';
import { WireReader } from '../../src/kafka/wire-reader.ts';
import { WireWriter } from '../../src/kafka/wire-writer.ts';
import { logDirsAnswer, readerOf } from './answers.ts';

/** Bytes in hexadecimal with comments and spaces, as the protocol guide lays a message out. */
function bytes(text: string): Buffer {
  return Buffer.from(text.replaceAll(/#.*$/gm, '').replaceAll(/\s/g, ''), 'hex');
}

function written(write: (writer: WireWriter) => void): string {
  const writer = new WireWriter();
  write(writer);
  return writer.written().toString('hex');
}

function reader(text: string): WireReader {
  return new WireReader(bytes(text), 'test');
}

const MOVES = [
  { topic: 'ab', partition: 3, replicas: [1, 258] },
  { topic: 'ab', partition: 4, replicas: undefined },
];
const MOVES_BODY = `
  02 03 6162          # one topic, "ab"
  03                  # two partitions
  00000003 03 00000001 00000102 00
  00000004 00 00      # null replicas: take it back
  00 00`;

describe('requests are laid out as the protocol guide says', () => {
  it.each([
    [0, `00001388 ${MOVES_BODY}`],
    [1, `00001388 00 ${MOVES_BODY}`],
  ])('AlterPartitionReassignments v%i', (version, expected) => {
    expect(written((writer) => writeAlterReassignmentsRequest(writer, version, MOVES, 5000))).toBe(bytes(expected).toString('hex'));
  });

  it('ElectLeaders v2, preferred', () => {
    const expected = bytes('00  02 03 6162 03 00000003 00000004 00  00001388 00');
    expect(written((writer) => writeElectLeadersRequest(writer, MOVES, 5000))).toBe(expected.toString('hex'));
  });

  it('IncrementalAlterConfigs v1, setting and deleting', () => {
    const change = {
      type: 'topic',
      name: 't',
      values: new Map([
        ['a', '1'],
        ['b', undefined],
      ]),
    } as const;
    const expected = bytes('02  02 02 74  03  02 61 00 02 31 00  02 62 01 00 00  00  00 00');
    expect(written((writer) => writeAlterConfigsRequest(writer, [change]))).toBe(expected.toString('hex'));
    expect(written((writer) => writeAlterConfigsRequest(writer, [{ ...change, type: 'broker' }])).slice(2, 4)).toBe('04');
  });

  it('UnregisterBroker v0', () => {
    expect(written((writer) => writeUnregisterBrokerRequest(writer, 7))).toBe('0000000700');
  });
});

const RESULTS = `
  02 03 6162          # one topic, "ab"
  04                  # three partitions: done, refused with words, refused without
  00000003 0000 00 00
  00000004 0027 03 6e6f 00
  00000005 0055 00 01 07 02 0001   # and a tagged field of a later version
  00 00`;

describe('answers', () => {
  const refused = [
    { topic: 'ab', partition: 4, errorCode: 39, message: 'no' },
    { topic: 'ab', partition: 5, errorCode: 85, message: '' },
  ];

  it.each([
    [0, `00000000 0000 00 ${RESULTS}`],
    [1, `00000000 00 0000 00 ${RESULTS}`],
  ])('AlterPartitionReassignments v%i tells what was refused', (version, answer) => {
    expect(decodeAlterReassignments(reader(answer), version)).toEqual(refused);
  });

  it('ElectLeaders v2 tells where there was no election', () => {
    expect(decodeElectLeaders(reader(`00000000 0000 ${RESULTS}`))).toEqual(refused);
  });

  it('IncrementalAlterConfigs v1 tells what was refused', () => {
    const answer = '00000000 03  0000 00 02 02 74 00  0028 03 6e6f 04 02 31 00  00';
    expect(decodeAlterConfigs(reader(answer))).toEqual([{ type: 'broker', name: '1', errorCode: 40, message: 'no' }]);
  });

  it('UnregisterBroker v0 tells its error as data', () => {
    expect(decodeUnregisterBroker(reader('00000000 0066 00 00'))).toEqual({ errorCode: 102, message: undefined });
  });

  it.each([
    ['AlterPartitionReassignments', (): unknown => decodeAlterReassignments(reader('00000000 001f 00 01 00'), 0)],
    ['ElectLeaders', (): unknown => decodeElectLeaders(reader('00000000 001f 01 00'))],
  ])('%s that is not allowed names the missing permission', (name, decode) => {
    expect(decode).toThrow(
      expect.objectContaining({ code: 'KAFKA_PERMISSION_MISSING', message: expect.stringContaining(name) as unknown }),
    );
  });

  it.each([
    ['AlterPartitionReassignments', (from: WireReader): unknown => decodeAlterReassignments(from, 0)],
    ['ElectLeaders', (from: WireReader): unknown => decodeElectLeaders(from)],
    ['IncrementalAlterConfigs', (from: WireReader): unknown => decodeAlterConfigs(from)],
    ['UnregisterBroker', (from: WireReader): unknown => decodeUnregisterBroker(from)],
  ])('%s of garbage is a named error', (_, decode) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (garbage) => {
        try {
          decode(new WireReader(Buffer.from(garbage), 'test'));
        } catch (error) {
          expect(error).toBeInstanceOf(BelfryError);
        }
      }),
      { seed: 20_261_122, numRuns: 500 },
    );
  });
});

describe('the sizes of replicas', () => {
  it.each([2, 3, 4])('are read from DescribeLogDirs v%i, over all dirs', async (version) => {
    const dir = (
      path: string,
      name: string,
      replicas: readonly (readonly [number, number])[],
    ): Parameters<typeof logDirsAnswer>[1][number] => ({
      error: 0,
      path,
      topics: [{ name, replicas }],
      total: 100,
      usable: 40,
    });
    const answer = logDirsAnswer(version, [
      dir('/d1', 'a', [
        [0, 10],
        [2, 5],
      ]),
      dir('/d2', 'a', [[1, 7]]),
    ]);
    const sizes = await decodeReplicaSizes(readerOf(answer), version, new ManualClock());
    expect(sizes).toEqual(
      new Map([
        [
          'a',
          new Map([
            [0, 10],
            [2, 5],
            [1, 7],
          ]),
        ],
      ]),
    );
  });
});
