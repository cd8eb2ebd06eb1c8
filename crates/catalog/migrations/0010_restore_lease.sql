-- Who restores into a resource. The fence rises with every holder, so the row stays.
CREATE TABLE restore_lease (
    target TEXT NOT NULL PRIMARY KEY,
    fence BIGINT NOT NULL,
    owner TEXT,
    until_at BIGINT
);
