-- The journal's schema of today, as version 6. A change adds migrations/NNNN_*.sql, which makes the same of an older
-- journal; a test compares the two.

CREATE TABLE cases (
    id TEXT PRIMARY KEY,
    round INTEGER NOT NULL,  -- how often it was begun
    document TEXT NOT NULL,  -- a Case as JSON, its steps as planned
    begun_at TEXT NOT NULL
);

-- What a step of a case became. `detail` is a StepDetail as JSON: a text for a person, and what code needs of it later.
CREATE TABLE steps (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    case_id TEXT NOT NULL REFERENCES cases,
    round INTEGER NOT NULL,
    step TEXT NOT NULL,
    state TEXT NOT NULL,
    at TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX steps_of_case ON steps (case_id, round, seq);
CREATE TRIGGER steps_stay BEFORE UPDATE ON steps BEGIN SELECT RAISE(ABORT, 'a record is never changed'); END;
CREATE TRIGGER steps_last BEFORE DELETE ON steps BEGIN SELECT RAISE(ABORT, 'a record is never removed'); END;

CREATE TABLE orders (
    case_id TEXT NOT NULL REFERENCES cases,
    attempt INTEGER NOT NULL,
    issuer TEXT NOT NULL,
    csr_sha256 TEXT NOT NULL,
    order_id TEXT,
    status TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (case_id, attempt),
    UNIQUE (issuer, csr_sha256)
);

-- The challenges that came with orders. A row is written before its challenge is presented; `removed_at` is NULL while it
-- may still be there.
CREATE TABLE challenges (
    case_id TEXT NOT NULL REFERENCES cases,
    type TEXT NOT NULL,
    identifier TEXT NOT NULL,
    token TEXT NOT NULL,
    content TEXT NOT NULL,
    presented_at TEXT NOT NULL,
    removed_at TEXT,
    PRIMARY KEY (case_id, type, identifier, token, content)
);

-- `cause` is a word of docs/causes.md, NULL where a try has none; `note` is for a person alone.
-- An attempt that `is_early` was made before the end of the waiting time: on request, or because a pre-check found something
-- else. `finding` is a digest of what a pre-check found.
CREATE TABLE attempts (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    case_id TEXT NOT NULL REFERENCES cases,
    at TEXT NOT NULL,
    ended TEXT NOT NULL,
    next_at TEXT,
    step TEXT NOT NULL,
    note TEXT NOT NULL,
    issuer TEXT,
    busy_until TEXT,
    cause TEXT,
    is_early INTEGER NOT NULL DEFAULT 0,
    finding TEXT NOT NULL DEFAULT ''
);
CREATE INDEX attempts_of_case ON attempts (case_id, seq);

CREATE TABLE outcomes (
    case_id TEXT NOT NULL REFERENCES cases,
    round INTEGER NOT NULL,
    at TEXT NOT NULL,
    outcome TEXT NOT NULL,
    leaf_sha256 TEXT,
    note TEXT NOT NULL,
    PRIMARY KEY (case_id, round)
);

-- The cases that wait without an attempt, as the last run that saw them: in its plan, or before their next step. `why` is
-- for a person alone; without `next_at` it is the next run.
CREATE TABLE waiting (
    case_id TEXT PRIMARY KEY,
    host TEXT NOT NULL,
    repair TEXT NOT NULL,
    since TEXT NOT NULL,
    why TEXT NOT NULL,
    step TEXT NOT NULL DEFAULT 'plan',
    next_at TEXT
);

-- `state` is what a notification says to be wrong, as JSON; `channel` is the key of a section of the configuration.
CREATE TABLE notifications (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    state TEXT NOT NULL,
    message BLOB,
    queued_at TEXT NOT NULL,
    sent_at TEXT,
    progress TEXT NOT NULL DEFAULT '',
    channel TEXT NOT NULL DEFAULT 'mail'
);

-- One row: the last outcome, by its rowid, that recipients were notified of.
CREATE TABLE notified (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    up_to_outcome INTEGER NOT NULL
);
