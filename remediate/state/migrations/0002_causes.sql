-- From version 1, which kept causes and other data in the beginnings of texts. What those texts say becomes columns and
-- JSON here, once; a text that cannot be read stays a text. All words and forms below are those of version 1.

CREATE TEMP TABLE known (cause TEXT PRIMARY KEY);
INSERT INTO temp.known VALUES
    ('case.changed'), ('case.unknown'), ('cert.not-yet-valid'), ('dcv.altered'), ('dcv.blocked'),
    ('dcv.broken'), ('dcv.firewall'), ('dcv.firewall-narrow'), ('dcv.forbidden'), ('dcv.http-unreachable'),
    ('dcv.missing'), ('dcv.no-docroot'), ('dcv.redirect-illegal'), ('dcv.redirected'), ('dcv.stale-token'),
    ('dcv.unseen'), ('dcv.wrong-host'), ('dns.lame'), ('dns.loop'), ('dns.no-address'), ('dns.not-this-host'),
    ('dns.nxdomain'), ('dns.servfail'), ('dns.timeout'), ('dns.tlsa'), ('dns.tlsa-spreading'),
    ('dns.tlsa-unanswered'), ('dns.too-long'), ('dns.unresolvable'), ('fetch.no-better'), ('fetch.no-issuer'),
    ('fetch.no-key'), ('fetch.no-leaf'), ('host.command'), ('host.locked'), ('host.name-invalid'),
    ('host.switched-off'), ('host.unprepared'), ('host.unreachable'), ('host.untrusted-path'),
    ('install.interrupted'), ('install.not-taken-up'), ('install.rejected'), ('install.went-back'),
    ('issuer.answer'), ('issuer.authentication'), ('issuer.broken'), ('issuer.busy'), ('issuer.canceled'),
    ('issuer.conflict'), ('issuer.issued'), ('issuer.none'), ('issuer.panel-only'), ('issuer.pending'),
    ('issuer.pending-review'), ('issuer.pending-validation'), ('issuer.refused'), ('issuer.rejected'),
    ('issuer.revoked'), ('issuer.unknown'), ('issuer.unreachable'), ('key.request'), ('modes.needed'),
    ('modes.owner'), ('ops.clock-skew'), ('owner.not-run'), ('owner.unchanged'), ('plan.configure'),
    ('plan.dns'), ('plan.elsewhere'), ('plan.foreign'), ('plan.host'), ('plan.left-alone'), ('plan.manual'),
    ('plan.max-cases'), ('plan.no-help'), ('plan.note'), ('plan.old-evidence'), ('plan.outside'),
    ('plan.switched-off'), ('plan.unfinished'), ('plan.unknown'), ('plan.unloadable'), ('plan.waived'),
    ('plan.well'), ('proof.failed'), ('proof.rejected'), ('proof.still-wrong'), ('rollback.changed'),
    ('rollback.compromised'), ('rollback.done'), ('rollback.failed'), ('rollback.nothing'), ('run.bug'),
    ('run.canary'), ('run.failures'), ('run.not-begun'), ('run.not-due'), ('run.overlap'), ('run.stopped'),
    ('service.down'), ('service.not-reloaded'), ('step.no-effect'), ('svc.unreachable');

-- attempts: "CAUSE: NOTE" becomes a cause and a note; of an attempt without a note no cause was kept
ALTER TABLE attempts ADD COLUMN cause TEXT;
UPDATE attempts SET cause = substr(note, 1, instr(note, ': ') - 1), note = substr(note, instr(note, ': ') + 2)
WHERE substr(note, 1, instr(note, ': ') - 1) IN temp.known;
UPDATE attempts SET cause = 'run.not-recorded' WHERE cause IS NULL AND note <> '';

-- steps: the first line of a note, and what it begins with, become fields of a detail
CREATE TABLE details (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    case_id TEXT NOT NULL REFERENCES cases,
    round INTEGER NOT NULL,
    step TEXT NOT NULL,
    state TEXT NOT NULL,
    at TEXT NOT NULL,
    detail TEXT NOT NULL
);
INSERT INTO details
SELECT seq, case_id, round, step, state, at, json_object(
    'text', CASE WHEN has_visits THEN substr(note, 1, instr(note, char(10)) - 1) ELSE note END,
    'visits', CASE WHEN has_visits
        -- each further line is one; U+E000, which is in no line, stands for the line ends within JSON
        THEN json('[' || replace(json_quote(replace(substr(note, instr(note, char(10)) + 1), char(10), char(57344))),
                                 char(57344), '","') || ']')
        ELSE json('[]') END,
    'leaf_sha256', CASE WHEN step IN ('collect', 'fetch') AND state = 'done' AND note GLOB 'leaf *'
        AND length(substr(note, 6, 64)) = 64 AND substr(note, 6, 64) NOT GLOB '*[^0-9a-f]*'
        THEN substr(note, 6, 64) END,
    'back_to', CASE WHEN step GLOB 'reload *' AND note GLOB 'back to version ?*' THEN substr(note, 17) END,
    'published_spki_sha256', CASE WHEN note GLOB 'the record of the new key ([0-9a-f]*) is published; *'
        THEN substr(note, 28, 64) END)
FROM (SELECT *, step IN ('collect', 'renew') AND state = 'done' AND instr(note, char(10)) > 0 AS has_visits FROM steps)
ORDER BY seq;
DROP TABLE steps;
ALTER TABLE details RENAME TO steps;
CREATE INDEX steps_of_case ON steps (case_id, round, seq);
CREATE TRIGGER steps_stay BEFORE UPDATE ON steps BEGIN SELECT RAISE(ABORT, 'a record is never changed'); END;
CREATE TRIGGER steps_last BEFORE DELETE ON steps BEGIN SELECT RAISE(ABORT, 'a record is never removed'); END;

-- notified: the state "up to N" of a row without a notification becomes a number
CREATE TABLE notified (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    up_to_outcome INTEGER NOT NULL
);
INSERT INTO notified SELECT 1, CAST(substr(state, 7) AS INTEGER) FROM letters
WHERE state GLOB 'up to [0-9]*' ORDER BY id DESC LIMIT 1;
DELETE FROM letters WHERE state GLOB 'up to [0-9]*';

-- letters: services and causes in one text become lists, "ENDPOINT CHECK" becomes an object
UPDATE letters SET state = json_object(
    'to', json_extract(state, '$.to'),
    'sections', json((
        SELECT json_group_array(json_object(
            'host', json_extract(section.value, '$.host'),
            'entries', json((
                SELECT json_group_array(json_set(
                    json_remove(entry.value, '$.service', '$.cause', '$.findings'),
                    '$.services', json(CASE json_extract(entry.value, '$.service') WHEN '' THEN '[]' ELSE
                        '[' || replace(json_quote(json_extract(entry.value, '$.service')), ', ', '","') || ']' END),
                    '$.causes', json((
                        SELECT json_group_array(CASE WHEN value IN temp.known THEN value ELSE 'run.not-recorded' END)
                        FROM json_each(CASE json_extract(entry.value, '$.cause') WHEN '' THEN '[]' ELSE
                            '[' || replace(json_quote(json_extract(entry.value, '$.cause')), ', ', '","') || ']' END))),
                    '$.findings', json((
                        SELECT json_group_array(json_object('endpoint', substr(value, 1, instr(value, ' ') - 1),
                                                            'check', substr(value, instr(value, ' ') + 1)))
                        FROM json_each(entry.value, '$.findings')))))
                FROM json_each(section.value, '$.entries') AS entry))))
        FROM json_each(letters.state, '$.sections') AS section)))
WHERE CASE WHEN json_valid(state) THEN json_type(state, '$.sections') = 'array' END;

DROP TABLE temp.known;
