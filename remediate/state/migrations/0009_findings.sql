-- From version 8, in which an attempt did not keep what its pre-check found.

ALTER TABLE attempts ADD COLUMN finding TEXT NOT NULL DEFAULT '';
