//! Shards in the restic format: writer, reader, check, keys, control repository
