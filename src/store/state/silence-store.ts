import type { MutedAlertRow, SilenceRow } from '../../core/state.ts';
import { RoomStore } from './room-store.ts';

/** Silences, and the alerts that ended without anybody being told. */
export class SilenceStore extends RoomStore {
  loadSilences(): readonly SilenceRow[] {
    return this.db.rows('silence');
  }

  saveSilence(row: SilenceRow): void {
    this.db.apply({ v: 1, kind: 'silence.put', row });
  }

  deleteSilence(id: string): void {
    this.db.apply({ v: 1, kind: 'silence.delete', key: { id } });
  }

  loadFiringKeys(): readonly string[] {
    return this.db.rows('alert', "state = 'firing' AND last_sent_at > 0").map(({ alertKey }) => alertKey);
  }

  /** Oldest first. */
  loadMutedAlerts(): readonly MutedAlertRow[] {
    return this.db.rows('muted_alert', '1 ORDER BY id');
  }

  saveMutedAlert(row: MutedAlertRow): void {
    this.db.apply({ v: 1, kind: 'muted_alert.put', row });
  }

  deleteMutedAlert(id: string): void {
    this.db.apply({ v: 1, kind: 'muted_alert.delete', key: { id } });
  }
}
