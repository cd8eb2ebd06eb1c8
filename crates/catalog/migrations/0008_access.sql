-- Who may come in. What is intent (name, grants, password hash, second factors) is written to the
-- home vault too; saved_revision says which revision of an account the vault has.
CREATE TABLE account (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    folded_name TEXT NOT NULL UNIQUE,
    display_name TEXT NOT NULL,
    grants TEXT NOT NULL,
    disabled BIGINT NOT NULL,
    password_hash TEXT,
    sealed_factors BYTEA NOT NULL,
    recovery_codes TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    saved_revision BIGINT NOT NULL
);

-- One change of accounts in the vault at a time.
CREATE TABLE account_change (
    id BIGINT NOT NULL PRIMARY KEY,
    owner TEXT,
    until_at BIGINT NOT NULL
);
INSERT INTO account_change (id, owner, until_at) VALUES (1, NULL, 0);

-- The last step of a time-based code that was taken: it and earlier ones are refused.
CREATE TABLE totp_use (
    account_id TEXT NOT NULL PRIMARY KEY,
    step BIGINT NOT NULL
);

-- One-time links: to set the installation up (no account), or to choose a password.
CREATE TABLE invitation (
    hash TEXT NOT NULL PRIMARY KEY,
    account_id TEXT,
    created_by TEXT,
    created_at BIGINT NOT NULL,
    until_at BIGINT NOT NULL
);

-- A sign-in under way: the password was right, a second factor is missing; or a passkey is asked.
CREATE TABLE sign_in (
    hash TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL,
    purpose TEXT NOT NULL,
    sealed_state BYTEA NOT NULL,
    until_at BIGINT NOT NULL
);

CREATE TABLE session (
    hash TEXT NOT NULL PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    account_id TEXT NOT NULL,
    address TEXT NOT NULL,
    agent TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    proved_at BIGINT NOT NULL
);
CREATE INDEX session_account ON session (account_id);

CREATE TABLE token (
    id TEXT NOT NULL PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    account_id TEXT NOT NULL,
    label TEXT NOT NULL,
    rights TEXT NOT NULL,
    scope TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT,
    revoked_at BIGINT
);
CREATE INDEX token_account ON token (account_id);

-- Sign-ins that failed, by account and by address.
CREATE TABLE attempt (
    subject TEXT NOT NULL PRIMARY KEY,
    failures BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    blocked_until BIGINT NOT NULL
);

-- What a list may show, as a union of scopes, under the SHA-256 of its text; a dimension without
-- limit has its flag set and no members.
CREATE TABLE visible_scope (
    filter_id TEXT NOT NULL,
    number BIGINT NOT NULL,
    all_tenants BIGINT NOT NULL,
    all_workloads BIGINT NOT NULL,
    all_resources BIGINT NOT NULL,
    PRIMARY KEY (filter_id, number)
);
CREATE TABLE visible_member (
    filter_id TEXT NOT NULL,
    number BIGINT NOT NULL,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (filter_id, number, kind, value)
);
