-- From version 2, which had other names for notifications. A key of JSON is the only text that stands between quotation
-- marks and a colon: within a text quotation marks are escaped.

ALTER TABLE letters RENAME TO notifications;
ALTER TABLE notifications RENAME COLUMN kept_at TO queued_at;
ALTER TABLE notifications RENAME COLUMN handed_over_at TO sent_at;
UPDATE notifications SET state = replace(replace(state, '"entries":', '"items":'), '"is_minor":', '"below_threshold":');
