import type { DedupRow, DeliveryRow, IncidentAlertRow, IncidentEventRow, IncidentRow, OutboxRow, StateStore } from '../../core/state.ts';
import { RoomStore } from './room-store.ts';

/** What routing decides and the outbox delivers: incidents with their alerts and events, dedup log, messages, deliveries. */
export class DecisionStore extends RoomStore implements StateStore {
  /** The open ones, and closed ones that still have a message to deliver; oldest first. */
  loadIncidents(): readonly IncidentRow[] {
    return this.db.rows('incident', 'closed_at = 0 OR group_key IN (SELECT group_key FROM outbox) ORDER BY id');
  }

  loadIncidentAlerts(incidentId: string): readonly IncidentAlertRow[] {
    return this.db.rows('incident_alert', 'incident_id = ?', incidentId);
  }

  /** The latest events, oldest of them first. */
  loadIncidentEvents(incidentId: string, limit: number): readonly IncidentEventRow[] {
    return this.db.rows('incident_event', 'incident_id = ? ORDER BY seq DESC LIMIT ?', incidentId, limit).toReversed();
  }

  /** Ids of incidents that were closed before the time. */
  incidentsClosedBefore(at: number): readonly string[] {
    return this.db.rows('incident', 'closed_at > 0 AND closed_at < ?', at).map(({ id }) => id);
  }

  saveIncident(row: IncidentRow): void {
    this.db.apply({ v: 1, kind: 'incident.put', row });
  }

  /** With its alerts and events. */
  deleteIncident(id: string): void {
    this.db.apply({ v: 1, kind: 'incident.delete', key: { id } });
  }

  saveIncidentAlert(row: IncidentAlertRow): void {
    this.db.apply({ v: 1, kind: 'incident_alert.put', row });
  }

  saveIncidentEvent(row: IncidentEventRow): void {
    this.db.apply({ v: 1, kind: 'incident_event.put', row });
  }

  loadDedup(): readonly DedupRow[] {
    return this.db.rows('dedup');
  }

  saveDedup(row: DedupRow): void {
    this.db.apply({ v: 1, kind: 'dedup.put', row });
  }

  deleteDedup({ groupKey, receiver, integration, index }: DedupRow): void {
    this.db.apply({ v: 1, kind: 'dedup.delete', key: { groupKey, receiver, integration, index } });
  }

  loadMessages(): readonly OutboxRow[] {
    return this.db.rows('outbox');
  }

  saveMessage(row: OutboxRow): void {
    this.db.apply({ v: 1, kind: 'outbox.put', row });
  }

  deleteMessage({ groupKey, receiver, integration, index }: OutboxRow): void {
    this.db.apply({ v: 1, kind: 'outbox.delete', key: { groupKey, receiver, integration, index } });
  }

  loadDeliveries(): readonly DeliveryRow[] {
    return this.db.rows('delivery');
  }

  saveDelivery(row: DeliveryRow): void {
    this.db.apply({ v: 1, kind: 'delivery.put', row });
  }

  deleteDelivery({ groupKey, receiver, integration, index }: DeliveryRow): void {
    this.db.apply({ v: 1, kind: 'delivery.delete', key: { groupKey, receiver, integration, index } });
  }
}
