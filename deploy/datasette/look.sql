-- What may be looked at: views over the database (attached as `db`), without a person in them.
-- `look.py` copies each into a table of the same name without its v_.

CREATE TEMP VIEW v_texts AS
SELECT
    id,
    key,
    rule,
    booking,
    audience,
    CASE WHEN length(recipient) > 5 THEN substr(recipient, 1, 3) || '…' || substr(recipient, -2) ELSE recipient END AS recipient,
    language,
    template,
    state,
    -- The code alone: the column `detail` may hold EngageLab's own words, which may repeat a name or a number.
    reason,
    scheduled_at,
    next_at,
    expires_at,
    meeting_at,
    changed_at,
    attempts,
    segments,
    CASE WHEN state = 'sent' AND attempts > 0
         THEN CAST(round((julianday(changed_at) - julianday(scheduled_at)) * 86400) AS INTEGER) END AS late_s
FROM db.messages;

CREATE TEMP VIEW v_reasons AS
SELECT code, sentence, remedy FROM db.reasons;

CREATE TEMP VIEW v_runs AS
SELECT
    number,
    id,
    started_at,
    ended_at,
    checked,
    outcome,
    CAST(round((julianday(ended_at) - julianday(started_at)) * 86400) AS INTEGER) AS seconds,
    json_extract(counts, '$.events') AS events,
    json_extract(counts, '$.changed') AS changed,
    json_extract(counts, '$.planned') AS planned,
    json_extract(counts, '$.sent') AS sent,
    json_extract(counts, '$.failed') AS failed,
    json_extract(counts, '$.unknown') AS unknown,
    json_extract(counts, '$.skipped') AS skipped,
    json_extract(counts, '$.deferred') AS deferred,
    json_extract(counts, '$.events_unreadable') AS events_unreadable,
    json_extract(counts, '$.requests') AS requests,
    json_extract(counts, '$.oldest_due_s') AS oldest_due_s
FROM db.runs;

CREATE TEMP VIEW v_changes AS
SELECT at, booking, kind FROM db.changes;

CREATE TEMP VIEW v_events AS
SELECT uri, name, status, start_at, end_at, total, active, read_at, missing_at FROM db.events;

CREATE TEMP VIEW v_unreadable_events AS
SELECT uri, since, failures, retry_at FROM db.unreadable_events;
