import type { components } from './schema'

type Schemas = components['schemas']

export type Me = Schemas['Me']
export type User = Schemas['UserView']
export type Grant = Schemas['GrantView']
export type Session = Schemas['SessionView']
export type Token = Schemas['TokenView']
export type Tenant = Schemas['TenantView']
export type Tested = Schemas['TestedView']
export type Resource = Schemas['ResourceView']
export type Attained = Schemas['AttainedView']
export type Job = Schemas['JobView']
export type JobDetail = Schemas['JobDetailView']
export type Vault = Schemas['VaultView']
export type Finding = Schemas['FindingView']
export type Snapshot = Schemas['SnapshotView']
export type Entry = Schemas['EntryView']
export type Hit = Schemas['HitView']
export type Preview = Schemas['PreviewView']
export type Person = Schemas['PersonView']
export type Overview = Schemas['OverviewView']
export type Version = Schemas['VersionView']
export type History = Schemas['HistoryView']
export type RestoreBody = Schemas['RestoreBody']
export type AuditEntry = Schemas['AuditEntry']
export type Verification = Schemas['VerificationView']
export type SignedIn = Schemas['SignedInView']
export type Proof = Schemas['ProofBody']
export type ServerEvent = Schemas['Event']

/** How far a job is: what the worker counts. */
export interface Progress {
  resources: number
  resources_done: number
  items: number
  items_done: number
  bytes: number
}

/** What a restore came to, or would come to. */
export interface RestoreReport {
  outcome: string
  dry_run: boolean
  restore_point: string
  source: string
  target: string
  items_restored: number
  items_skipped: number
  items_unchanged: number
  items_conflicting: number
  items_failed: number
  bytes: number
  losses: Record<string, number>
  items: unknown[]
}

/** What a backup came to. */
export interface BackupReport {
  outcome: string
  resources: number
  counts: Record<string, number>
  requests: number
  waited_ms: number
  failures: unknown[]
}

/** What the maintenance of a vault came to: as far as it is shown. */
export interface MaintenanceReport {
  dry_run?: boolean
  errors?: number
  control_errors?: string[]
  failures?: { shard: number; message: string }[]
  shards: {
    shard: number
    /** check */
    packs?: number | { packs_damaged: string[]; blobs_restored: number; blobs_lost: string[] }
    packs_read?: number
    bytes?: number
    errors?: string[]
    damaged?: { resource: string; title?: string; path?: string }[]
    damaged_more?: number
    /** repair */
    asked_again?: number
    /** prune */
    snapshots?: number | { id: string; time: string; verdict: string }[]
    snapshots_removed?: { forgotten: string[]; locked: string[] }
    data?: { bytes_freed: number; bytes_freed_later: number }
    /** copy */
    snapshots_present?: number
    snapshots_copied?: number
    bytes_copied?: number
  }[]
}

/** A schedule: what `docs/jobs.md` says of it. */
export interface Schedule {
  tenant: string
  name: string
  rpo: string
  time_zone: string
  select: { workloads?: string[]; resources?: string[] }
  hours?: { days?: string[]; from: string; to: string; pace: string }[]
  is_set: boolean
  followers: number
}

/** What a vault holds (`holdfast vault stats --json`). */
export interface VaultStats {
  items: number
  logical_bytes: number
  versions: number
  version_bytes: number
  stored_bytes: number
  dedup_ratio: number
  compression_ratio: number
  shards: {
    shard: number
    fill: number
    resources: number
    snapshots: number
    oldest?: string
    newest?: string
    added: { seq: number; time: string; versions: number; version_bytes: number; stored_bytes: number }[]
  }[]
  resources: { id: string; name: string; shard: number; items: number; logical_bytes: number }[]
}
