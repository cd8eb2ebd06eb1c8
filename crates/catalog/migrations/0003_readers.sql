-- Who reads a shard, so that nothing is deleted under a reader. A row without a sign of life ends by
-- itself.
CREATE TABLE reader (
    id TEXT NOT NULL PRIMARY KEY,
    vault_id TEXT NOT NULL,
    shard BIGINT NOT NULL,
    owner TEXT NOT NULL,
    since_at BIGINT NOT NULL,
    until_at BIGINT NOT NULL
);
CREATE INDEX reader_shard ON reader (vault_id, shard);

-- The fence of the holder of the lease who keeps readers away. It ends with that lease.
ALTER TABLE shard ADD COLUMN closed_fence BIGINT;

-- Forgetting goes by snapshot, not by resource.
CREATE INDEX restore_point_seq ON restore_point (shard, seq);
