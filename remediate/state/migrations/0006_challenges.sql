-- From version 5, which had no challenges that come with an order.

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
