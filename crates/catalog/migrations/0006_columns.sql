-- Of the root of a library: where reading its columns goes on, as JSON.
ALTER TABLE container ADD COLUMN columns TEXT;
