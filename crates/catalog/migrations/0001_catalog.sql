-- Portable between SQLite and PostgreSQL: times are BIGINT milliseconds UTC, booleans BIGINT 0/1,
-- ids and JSON TEXT, bytes BYTEA.

-- Settings of this instance, such as the home vault.
CREATE TABLE meta (
    key TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

-- The last number given to a resource or container. Numbers stand for their long ids in the
-- largest table; they mean nothing outside this file.
CREATE TABLE counter (
    last BIGINT NOT NULL
);
INSERT INTO counter (last) VALUES (0);

CREATE TABLE vault (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    location TEXT NOT NULL,
    sealed_secret BYTEA NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE tenant (
    name TEXT NOT NULL PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    vault_id TEXT NOT NULL,
    graph_url TEXT NOT NULL,
    authority_url TEXT NOT NULL,
    ca_pem TEXT,
    client_id TEXT NOT NULL,
    sealed_credential BYTEA,
    restore_client_id TEXT,
    sealed_restore_credential BYTEA,
    created_at BIGINT NOT NULL
);

-- One restic repository of a vault: its newest committed snapshot, and who may write to it.
CREATE TABLE shard (
    vault_id TEXT NOT NULL,
    shard BIGINT NOT NULL,
    fence BIGINT NOT NULL,
    head_seq BIGINT NOT NULL,
    head_snapshot TEXT,
    head_tree TEXT,
    lease_owner TEXT,
    lease_until BIGINT,
    PRIMARY KEY (vault_id, shard)
);

CREATE TABLE snapshot (
    vault_id TEXT NOT NULL,
    shard BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    id TEXT NOT NULL,
    tree TEXT NOT NULL,
    taken_at BIGINT NOT NULL,
    fence BIGINT NOT NULL,
    run_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    prev BIGINT,
    PRIMARY KEY (vault_id, shard, seq)
);
CREATE INDEX snapshot_id ON snapshot (id);

-- *_fold: case-folded copies, because the two databases fold text differently.
CREATE TABLE resource (
    id TEXT NOT NULL PRIMARY KEY,
    num BIGINT NOT NULL UNIQUE,
    id_fold TEXT NOT NULL,
    tenant TEXT NOT NULL,
    workload TEXT NOT NULL,
    graph_id TEXT NOT NULL,
    graph_id_fold TEXT NOT NULL,
    name TEXT NOT NULL,
    name_fold TEXT NOT NULL,
    display_name TEXT NOT NULL,
    shard BIGINT,
    dir TEXT,
    status TEXT NOT NULL,
    skip_cause TEXT,
    stale BIGINT NOT NULL,
    restore_point BIGINT,
    last_polled BIGINT,
    list_link TEXT
);
CREATE INDEX resource_tenant ON resource (tenant, name);

CREATE TABLE container (
    num BIGINT NOT NULL PRIMARY KEY,
    resource BIGINT NOT NULL REFERENCES resource (num),
    id TEXT NOT NULL,
    parent TEXT,
    dir TEXT NOT NULL,
    display_name TEXT NOT NULL,
    delta_link TEXT,
    next_link TEXT,
    retry TEXT,
    meta TEXT,
    UNIQUE (resource, id)
);

-- One row per current item. The foreign key is the promise that every item has a place; it is
-- looked at when the transaction ends.
CREATE TABLE item (
    resource BIGINT NOT NULL,
    id TEXT NOT NULL,
    container BIGINT NOT NULL REFERENCES container (num) DEFERRABLE INITIALLY DEFERRED,
    name TEXT NOT NULL,
    change_key TEXT NOT NULL,
    content_tag TEXT NOT NULL,
    PRIMARY KEY (resource, id)
);
CREATE INDEX item_container ON item (container);

-- One row per resource and snapshot in which the resource changed.
CREATE TABLE restore_point (
    resource TEXT NOT NULL REFERENCES resource (id),
    shard BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    read_at BIGINT NOT NULL,
    tree TEXT NOT NULL,
    complete BIGINT NOT NULL,
    PRIMARY KEY (resource, shard, seq)
);
CREATE INDEX restore_point_read_at ON restore_point (resource, read_at);

CREATE TABLE run (
    id TEXT NOT NULL PRIMARY KEY,
    tenant TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    finished_at BIGINT,
    outcome TEXT,
    items_new BIGINT NOT NULL,
    items_changed BIGINT NOT NULL,
    items_deleted BIGINT NOT NULL,
    items_failed BIGINT NOT NULL,
    items_skipped BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    requests BIGINT NOT NULL,
    waited_ms BIGINT NOT NULL,
    error TEXT
);
CREATE INDEX run_started_at ON run (started_at);

CREATE TABLE run_problem (
    run_id TEXT NOT NULL,
    num BIGINT NOT NULL,
    resource TEXT NOT NULL,
    item TEXT,
    cause TEXT NOT NULL,
    skipped BIGINT NOT NULL,
    PRIMARY KEY (run_id, num)
);

-- Progress of restores, kept so that a retry never writes an item twice.
CREATE TABLE restore_run (
    id TEXT NOT NULL PRIMARY KEY,
    resource TEXT NOT NULL,
    target TEXT NOT NULL,
    at BIGINT,
    path TEXT,
    started_at BIGINT NOT NULL,
    finished_at BIGINT,
    outcome TEXT
);
CREATE INDEX restore_run_started_at ON restore_run (started_at);

CREATE TABLE restore_item (
    restore_id TEXT NOT NULL REFERENCES restore_run (id),
    source TEXT NOT NULL,
    target_id TEXT,
    state TEXT NOT NULL,
    detail TEXT,
    PRIMARY KEY (restore_id, source)
);
