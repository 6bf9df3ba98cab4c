/** One metric family as node_exporter names it. */
export interface HostFamily {
  readonly name: string;
  readonly help: string;
  readonly type: 'gauge' | 'counter';
  readonly samples: readonly HostSample[];
}

export interface HostSample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export function family(name: string, type: HostFamily['type'], help: string, samples: readonly HostSample[]): HostFamily {
  return { name, help, type, samples };
}

export function single(name: string, type: HostFamily['type'], help: string, value: number): HostFamily {
  return { name, help, type, samples: [{ labels: {}, value }] };
}
