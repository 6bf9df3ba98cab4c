import type { BrokerPilotState } from '../../../src/core/autopilot.ts';

/** Which edges the machine of a broker may take: the picture of the issue, and what operations adds to it. */
export const LEGAL_EDGES: Readonly<Record<BrokerPilotState, readonly BrokerPilotState[]>> = {
  healthy: ['suspect', 'repairing'],
  suspect: ['healthy', 'unhealthy', 'repairing', 'needs_human'],
  unhealthy: ['healthy', 'suspect', 'repairing', 'recovering', 'verifying', 'replace_pending', 'needs_human'],
  repairing: ['recovering', 'verifying', 'unhealthy', 'needs_human'],
  recovering: ['verifying', 'unhealthy', 'needs_human', 'healthy'],
  verifying: ['healthy', 'recovering', 'unhealthy', 'needs_human'],
  replace_pending: ['healthy', 'suspect', 'replacing', 'recovering', 'verifying', 'needs_human'],
  replacing: ['verifying', 'replace_pending', 'needs_human'],
  needs_human: ['healthy'],
};
