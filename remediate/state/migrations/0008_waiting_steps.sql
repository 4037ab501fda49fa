-- From version 7, in which only cases of a plan waited, with the next run as the next attempt.

ALTER TABLE waiting ADD COLUMN step TEXT NOT NULL DEFAULT 'plan';
ALTER TABLE waiting ADD COLUMN next_at TEXT;
