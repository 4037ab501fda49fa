-- From version 4, whose notifications were all emails.

ALTER TABLE notifications ADD COLUMN channel TEXT NOT NULL DEFAULT 'mail';
