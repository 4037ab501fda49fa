-- From version 6, which had no attempts before their time, and no list of the cases that wait without an attempt.

ALTER TABLE attempts ADD COLUMN is_early INTEGER NOT NULL DEFAULT 0;

CREATE TABLE waiting (
    case_id TEXT PRIMARY KEY,
    host TEXT NOT NULL,
    repair TEXT NOT NULL,
    since TEXT NOT NULL,
    why TEXT NOT NULL
);
