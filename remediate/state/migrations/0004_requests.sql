-- From version 3, which had other names for what a case and a step hold. As in 0003, a key of JSON is found by its
-- quotation marks and colon.

UPDATE cases SET document = replace(document, '"left_out":', '"dropped_names":');
DROP TRIGGER steps_stay;
UPDATE steps SET detail = replace(detail, '"visits":', '"request_lines":');
CREATE TRIGGER steps_stay BEFORE UPDATE ON steps BEGIN SELECT RAISE(ABORT, 'a record is never changed'); END;
