-- Long work: who asked for what, who does it, how far it is. Class: 0 restore, 1 asked for by a
-- person, 2 overdue, 3 routine, 4 first full.
CREATE TABLE job (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    tenant TEXT NOT NULL,
    class BIGINT NOT NULL,
    request TEXT NOT NULL,
    dedupe TEXT,
    requested_by TEXT NOT NULL,
    state TEXT NOT NULL,
    wanted TEXT,
    not_before BIGINT NOT NULL,
    deadline BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    finished_at BIGINT,
    attempts BIGINT NOT NULL,
    fence BIGINT NOT NULL,
    lease_owner TEXT,
    lease_until BIGINT,
    progress TEXT,
    result TEXT,
    error TEXT
);
CREATE INDEX job_state ON job (state, tenant);
CREATE INDEX job_created_at ON job (created_at, id);
CREATE INDEX job_failed ON job (dedupe, state, finished_at);
-- Of the living jobs with the same key there is one.
CREATE UNIQUE INDEX job_dedupe ON job (dedupe) WHERE state IN ('queued', 'running', 'paused');

-- Parts of a job that are done are not done again.
CREATE TABLE job_step (
    job TEXT NOT NULL REFERENCES job (id),
    name TEXT NOT NULL,
    num BIGINT NOT NULL,
    done_at BIGINT NOT NULL,
    result TEXT NOT NULL,
    PRIMARY KEY (job, name)
);

-- Fairness: milliseconds of work that a tenant has had. Who has had the least goes first.
CREATE TABLE job_share (
    tenant TEXT NOT NULL PRIMARY KEY,
    used_ms BIGINT NOT NULL
);

-- Attained objectives: one row per resource and day (UTC, days since 1970), by the id of the
-- resource, so that the history outlives a rebuild.
CREATE TABLE attained (
    resource TEXT NOT NULL,
    day BIGINT NOT NULL,
    points BIGINT NOT NULL,
    worst_ms BIGINT NOT NULL,
    objective_ms BIGINT NOT NULL,
    missed BIGINT NOT NULL,
    PRIMARY KEY (resource, day)
);
CREATE INDEX attained_day ON attained (day);

-- Schedules: what is protected how often. The record is JSON.
CREATE TABLE schedule (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (tenant, name)
);

-- The schedule that a resource follows, and its objective in milliseconds.
ALTER TABLE resource ADD COLUMN schedule TEXT;
ALTER TABLE resource ADD COLUMN objective_ms BIGINT;
