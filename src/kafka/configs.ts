import type { ConfigDescription, ConfigResource } from './observer.ts';
import type { WireReader } from './wire-reader.ts';
import type { WireWriter } from './wire-writer.ts';

/** Kafka's numbers of resource types. */
const TYPE_ID = { topic: 2, broker: 4 } as const;

/** DescribeConfigs request v4. */
export function writeDescribeConfigsRequest(writer: WireWriter, resources: readonly ConfigResource[]): void {
  writer.compactArray(resources, (resource) => {
    writer.int8(TYPE_ID[resource.type]).compactString(resource.name);
    writer.compactArray(resource.keys, (key) => writer.compactString(key)).noTags();
  });
  // include_synonyms, include_documentation
  writer.boolean(false).boolean(false).noTags();
}

/** Decodes a DescribeConfigs answer v4; a refusal of one resource is data. Values of sensitive keys are not sent. */
export function decodeConfigs(reader: WireReader): readonly ConfigDescription[] {
  const found: ConfigDescription[] = [];
  reader.int32(); // throttle_time_ms
  for (let left = reader.compactArrayLength(7); left > 0; left--) {
    const errorCode = reader.int16();
    reader.skipCompactString(); // error_message
    const typeId = reader.int8();
    const name = reader.compactString();
    const values = decodeValues(reader);
    reader.skipTags();
    found.push({ type: typeId === TYPE_ID.topic ? 'topic' : 'broker', name, errorCode, values });
  }
  reader.skipTags();
  reader.expectEnd();
  return found;
}

function decodeValues(reader: WireReader): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (let left = reader.compactArrayLength(9); left > 0; left--) {
    const key = reader.compactString();
    const value = reader.compactNullableString();
    reader.skip(3); // read_only, config_source, is_sensitive
    for (let synonyms = reader.compactArrayLength(4); synonyms > 0; synonyms--) {
      reader.skipCompactString();
      reader.skipCompactString();
      reader.int8();
      reader.skipTags();
    }
    reader.int8(); // config_type
    reader.skipCompactString(); // documentation
    reader.skipTags();
    if (value !== undefined) values.set(key, value);
  }
  return values;
}
