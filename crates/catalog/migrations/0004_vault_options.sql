-- How a vault's storage is used: credentials, locks, limits; sealed under the instance key.
ALTER TABLE vault ADD COLUMN sealed_storage BYTEA;
