// How old what is shown is, and when to say so. Pure: times in, a judgement out.

export type Connection = "connecting" | "live" | "lost";
export type Level = "good" | "slow" | "stale" | "unknown";

/** A status comes every second; this long without one, the connection is taken for dead. */
export const silenceMs = 15_000;
/** From here on the page says that the news has stopped, though the connection still stands. */
export const quietMs = 4_000;

/** The age of the numbers now: what the server said, plus the time since it said so. */
export function ageNow(freshnessMs: number | null | undefined, receivedAt: number, now: number): number | null {
  if (freshnessMs === null || freshnessMs === undefined) return null;
  const since = now - receivedAt;
  return freshnessMs + (since > quietMs ? since : 0);
}

export function levelOf(ageMs: number | null | undefined): Level {
  if (ageMs === null || ageMs === undefined) return "unknown";
  if (ageMs <= 2_000) return "good";
  return ageMs <= 10_000 ? "slow" : "stale";
}

export function isSilent(lastHeardAt: number, now: number): boolean {
  return now - lastHeardAt > silenceMs;
}

export interface RefetchState {
  dirty: boolean;
  inFlight: boolean;
  lastStartedAt: number;
  tookMs: number;
}

/**
 * When a panel asks again: at once for the first change after a calm, then at most every `intervalMs`, and never more
 * than a quarter of the time, however slow its query. null: not now.
 */
export function refetchIn(state: RefetchState, now: number, intervalMs: number, held: boolean): number | null {
  if (!state.dirty || state.inFlight || held) return null;
  const pace = Math.max(intervalMs, 4 * state.tookMs);
  return Math.max(0, state.lastStartedAt + pace - now);
}
