-- How far the audit record got; one row, which every append changes and so locks.
CREATE TABLE audit_chain (
    id BIGINT NOT NULL PRIMARY KEY,
    -- Of the newest entry; 0 where there is none.
    number BIGINT NOT NULL,
    -- Hexadecimal.
    hash TEXT NOT NULL,
    -- Newest entry whose hash is signed in the vault.
    head_number BIGINT NOT NULL
);
INSERT INTO audit_chain (id, number, hash, head_number)
VALUES (1, 0, '0000000000000000000000000000000000000000000000000000000000000000', 0);

-- Entries (docs/audit.md). Nothing is ever changed or deleted here.
CREATE TABLE audit (
    number BIGINT NOT NULL PRIMARY KEY,
    time BIGINT NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id TEXT NOT NULL,
    actor_name TEXT NOT NULL,
    -- Address, or 'local'.
    origin TEXT NOT NULL,
    action TEXT NOT NULL,
    outcome TEXT NOT NULL,
    cause TEXT NOT NULL,
    -- Number of the entry with which the act began, or 0.
    ends BIGINT NOT NULL,
    tenant TEXT NOT NULL,
    -- Arrays and an object of texts.
    resources TEXT NOT NULL,
    items TEXT NOT NULL,
    details TEXT NOT NULL,
    -- Hexadecimal.
    previous TEXT NOT NULL,
    hash TEXT NOT NULL,
    signature TEXT NOT NULL
);
CREATE INDEX audit_time ON audit (time);
