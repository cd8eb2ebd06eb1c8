-- Blobs in the index of a shard when it was last written: by it resources are spread over shards.
ALTER TABLE shard ADD COLUMN filled BIGINT NOT NULL DEFAULT 0;

-- The shards in which a resource has lived, in order: number 1 is where it was taken up. What was
-- read from from_time on lies in the snapshots from from_seq on of that shard.
CREATE TABLE epoch (
    resource TEXT NOT NULL REFERENCES resource (id),
    number BIGINT NOT NULL,
    shard BIGINT NOT NULL,
    from_seq BIGINT NOT NULL,
    from_time BIGINT NOT NULL,
    PRIMARY KEY (resource, number),
    UNIQUE (resource, shard)
);
INSERT INTO epoch (resource, number, shard, from_seq, from_time)
    SELECT id, 1, shard, 1, 0 FROM resource WHERE shard IS NOT NULL;
