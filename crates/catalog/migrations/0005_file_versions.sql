-- How many versions of a file are taken: 'latest', 'all', or the number of earlier ones.
ALTER TABLE tenant ADD COLUMN file_versions TEXT NOT NULL DEFAULT 'latest';
