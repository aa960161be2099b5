BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'syncer','0001_initial','2026-11-29 07:37:40.474891+00:00');
CREATE TABLE bookings (
    uri                  TEXT NOT NULL PRIMARY KEY,
    id                   TEXT NOT NULL UNIQUE CHECK (id GLOB 'b-*'), -- short, for people to type
    event                TEXT NOT NULL REFERENCES events (uri),
    status               TEXT NOT NULL,
    name                 TEXT NOT NULL,
    first_name           TEXT NOT NULL,
    last_name            TEXT NOT NULL,
    email                TEXT NOT NULL,
    timezone             TEXT NOT NULL,
    text_reminder_number TEXT NOT NULL,
    answers              TEXT NOT NULL CHECK (answers GLOB '[[]*]'),
    created_at           TEXT,
    scheduled_by         TEXT NOT NULL,  -- a user's URI, if somebody booked on the invitee's behalf
    rescheduled          INTEGER NOT NULL CHECK (rescheduled IN (0, 1)),
    old_invitee          TEXT NOT NULL,
    new_invitee          TEXT NOT NULL,
    canceled_at          TEXT,
    canceler_type        TEXT NOT NULL,
    cancel_reason        TEXT NOT NULL,
    cancel_url           TEXT NOT NULL,
    reschedule_url       TEXT NOT NULL,
    no_show_at           TEXT,
    seen_at              TEXT NOT NULL,
    read_at              TEXT NOT NULL,
    moved_at             TEXT,
    starts               TEXT NOT NULL CHECK (starts GLOB '{*}'),    -- start -> how often it had it, once moved in place
    takeovers            TEXT NOT NULL CHECK (takeovers GLOB '{*}'), -- host -> how often and since when, once handed over
    missing_at           TEXT,
    phone_source         TEXT NOT NULL DEFAULT '', -- the source in the settings by which an answer was the guest's number
    phone_question       TEXT NOT NULL DEFAULT ''  -- and that answer's question: it stays so, whatever becomes of the question
) STRICT;
INSERT INTO "bookings" VALUES('https://api.calendly.com/scheduled_events/e1/invitees/i1','b-9b38553975a0d04e','https://api.calendly.com/scheduled_events/e1','active','Ines Okafor','','','ines.okafor@example.com','America/Chicago','+13125550142','[]','2026-11-23T11:00:00Z','',0,'','',NULL,'','','','',NULL,'2026-11-23T12:00:00Z','2026-11-23T12:00:00Z',NULL,'{}','{}',NULL,'','');
INSERT INTO "bookings" VALUES('https://api.calendly.com/scheduled_events/e2/invitees/i1','b-c9fee0bb68156a59','https://api.calendly.com/scheduled_events/e2','active','Ines Okafor','','','ines.okafor@example.com','America/Chicago','+13125550142','[]','2026-11-23T11:00:00Z','',0,'','',NULL,'','','','',NULL,'2026-11-23T12:00:00Z','2026-11-23T12:00:00Z',NULL,'{}','{}',NULL,'','');
CREATE TABLE changes (
    id      INTEGER PRIMARY KEY AUTOINCREMENT, -- never given twice: `cancellations_checked` outlives deleted rows
    at      TEXT NOT NULL,
    booking TEXT NOT NULL,
    event   TEXT NOT NULL,
    kind    TEXT NOT NULL CHECK (kind IN ('created', 'canceled', 'rescheduled', 'moved', 'reassigned', 'missing')),
    detail  TEXT NOT NULL
) STRICT;
CREATE TABLE event_types (
    uri             TEXT NOT NULL PRIMARY KEY,
    phone_questions TEXT NOT NULL CHECK (phone_questions GLOB '[[]*]'),
    read_at         TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE events (
    uri        TEXT NOT NULL PRIMARY KEY,
    name       TEXT NOT NULL,
    status     TEXT NOT NULL,
    start_at   TEXT NOT NULL,
    end_at     TEXT NOT NULL,
    event_type TEXT NOT NULL,
    location   TEXT NOT NULL CHECK (location = 'null' OR location GLOB '{*}'),
    hosts      TEXT NOT NULL CHECK (hosts GLOB '[[]*]'),
    total      INTEGER NOT NULL,
    active     INTEGER NOT NULL,
    external_id TEXT NOT NULL, -- the id of its entry in the host's calendar: both halves of a move have the same; '' = none
    mark       INTEGER,       -- a keyed hash of what was listed of it: listed with the same, it is as it was
    read_at    TEXT NOT NULL,
    reread_at  TEXT,          -- read it again from here on, whatever is listed
    settles_at TEXT,          -- a cancellation was younger than `settle` when it was read: read it again from here on
    missing_at TEXT           -- absent from complete listings since then; never a cancellation
) STRICT;
INSERT INTO "events" VALUES('https://api.calendly.com/scheduled_events/e1','Phone consultation','active','2026-11-25T12:00:00Z','2026-11-25T12:30:00Z','https://api.calendly.com/event_types/t1','null','[{"email":"mara@northpier.example","name":"Mara Lindqvist","uri":"https://api.calendly.com/users/u1"}]',1,1,'',NULL,'2026-11-23T12:00:00Z',NULL,NULL,NULL);
INSERT INTO "events" VALUES('https://api.calendly.com/scheduled_events/e2','Phone consultation','active','2026-11-25T12:00:00Z','2026-11-25T12:30:00Z','https://api.calendly.com/event_types/t1','null','[{"email":"mara@northpier.example","name":"Mara Lindqvist","uri":"https://api.calendly.com/users/u1"}]',1,1,'',NULL,'2026-11-23T12:00:00Z',NULL,NULL,NULL);
CREATE TABLE forgotten (
    digest  TEXT NOT NULL PRIMARY KEY,
    at      TEXT NOT NULL,
    ends_at TEXT NOT NULL -- the end of the meeting: kept until then, and as long as old bookings are kept
) STRICT, WITHOUT ROWID;
CREATE TABLE history (
    id     INTEGER PRIMARY KEY,
    key    TEXT NOT NULL,
    at     TEXT NOT NULL,
    state  TEXT NOT NULL,
    reason TEXT REFERENCES reasons (code),
    detail TEXT NOT NULL
) STRICT;
INSERT INTO "history" VALUES(1,'https://api.calendly.com/scheduled_events/e1/invitees/i1/confirmation/2026-11-25T12:00:00Z','2026-11-23T12:00:00Z','scheduled',NULL,'');
INSERT INTO "history" VALUES(2,'https://api.calendly.com/scheduled_events/e1/invitees/i1/reminder-24h/2026-11-25T12:00:00Z','2026-11-23T12:00:00Z','scheduled',NULL,'');
INSERT INTO "history" VALUES(3,'https://api.calendly.com/scheduled_events/e2/invitees/i1/confirmation/2026-11-25T12:00:00Z','2026-11-23T12:00:00Z','scheduled',NULL,'');
INSERT INTO "history" VALUES(4,'https://api.calendly.com/scheduled_events/e2/invitees/i1/reminder-24h/2026-11-25T12:00:00Z','2026-11-23T12:00:00Z','scheduled',NULL,'');
INSERT INTO "history" VALUES(5,'https://api.calendly.com/scheduled_events/e1/invitees/i1/confirmation/2026-11-25T12:00:00Z','2026-11-23T12:00:00Z','sending',NULL,'');
INSERT INTO "history" VALUES(6,'https://api.calendly.com/scheduled_events/e1/invitees/i1/confirmation/2026-11-25T12:00:00Z','2026-11-23T12:00:00Z','sent',NULL,'');
INSERT INTO "history" VALUES(7,'https://api.calendly.com/scheduled_events/e2/invitees/i1/confirmation/2026-11-25T12:00:00Z','2026-11-23T12:00:00Z','sending',NULL,'');
INSERT INTO "history" VALUES(8,'https://api.calendly.com/scheduled_events/e2/invitees/i1/confirmation/2026-11-25T12:00:00Z','2026-11-23T12:00:00Z','failed','provider_refused','EngageLab 3002');
CREATE TABLE message_counts (
    state TEXT NOT NULL PRIMARY KEY,
    n     INTEGER NOT NULL CHECK (n >= 0)
) STRICT, WITHOUT ROWID;
INSERT INTO "message_counts" VALUES('failed',1);
INSERT INTO "message_counts" VALUES('scheduled',2);
INSERT INTO "message_counts" VALUES('sending',0);
INSERT INTO "message_counts" VALUES('sent',1);
CREATE TABLE messages (
    key                 TEXT NOT NULL PRIMARY KEY,
    id                  TEXT NOT NULL UNIQUE CHECK (id GLOB 'm-*'), -- short, for people to type
    rule                TEXT NOT NULL,
    booking             TEXT NOT NULL REFERENCES bookings (uri),
    audience            TEXT NOT NULL CHECK (audience IN ('invitee', 'host', 'former_host')),
    recipient           TEXT NOT NULL,
    language            TEXT NOT NULL,
    timezone            TEXT NOT NULL,
    template            TEXT NOT NULL,
    params              TEXT NOT NULL CHECK (params GLOB '{*}'),
    state               TEXT NOT NULL CHECK (state IN ('scheduled', 'sending', 'retryable', 'sent', 'failed',
                                                       'unknown', 'canceled', 'expired', 'skipped')),
    reason              TEXT REFERENCES reasons (code), -- NULL: nothing is to be said
    detail              TEXT NOT NULL DEFAULT '',       -- what is special about this message, in words
    scheduled_at        TEXT NOT NULL,
    next_at             TEXT NOT NULL,
    expires_at          TEXT NOT NULL,
    meeting_at          TEXT NOT NULL,
    changed_at          TEXT NOT NULL,
    attempts            INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    refusals            INTEGER NOT NULL DEFAULT 0 CHECK (refusals >= 0),
    segments            INTEGER NOT NULL DEFAULT 0 CHECK (segments >= 0), -- SMS of the text when it was claimed; 0 = not yet
    provider_message_id TEXT NOT NULL DEFAULT '',
    provider_plan_id    TEXT NOT NULL DEFAULT '',
    -- only a reminder may leave, and expire, before it is due: ahead of quiet hours
    CHECK (expires_at >= scheduled_at OR scheduled_at <= meeting_at),
    -- sent: the provider gave an id, or a person said so and the reason says who and why
    CHECK (state != 'sent' OR provider_message_id != '' OR reason IS NOT NULL),
    CHECK (state NOT IN ('failed', 'unknown', 'canceled', 'expired', 'skipped') OR reason IS NOT NULL),
    CHECK (state NOT IN ('scheduled', 'sending', 'retryable', 'sent', 'unknown') OR (recipient != '' AND template != '')),
    -- unknown without an attempt: a backup was restored, and the attempt may be in what was lost
    CHECK (state NOT IN ('sending', 'failed', 'retryable') OR attempts > 0)
) STRICT;
INSERT INTO "messages" VALUES('https://api.calendly.com/scheduled_events/e1/invitees/i1/confirmation/2026-11-25T12:00:00Z','m-0a6ae4af4f5aa09f','confirmation','https://api.calendly.com/scheduled_events/e1/invitees/i1','invitee','+13125550142','en','UTC','1001','{"name":"Ines Okafor","time":"Wed, Nov 25, 2026, 6:00 AM"}','sent',NULL,'','2026-11-23T12:00:00Z','2026-11-23T12:00:00Z','2026-11-23T18:00:00Z','2026-11-25T12:00:00Z','2026-11-23T12:00:00Z',1,0,0,'1','2');
INSERT INTO "messages" VALUES('https://api.calendly.com/scheduled_events/e1/invitees/i1/reminder-24h/2026-11-25T12:00:00Z','m-b04bdcb85ce99135','reminder-24h','https://api.calendly.com/scheduled_events/e1/invitees/i1','invitee','+13125550142','en','UTC','1003','{"name":"Ines Okafor","time":"Wed, Nov 25, 2026, 6:00 AM"}','scheduled',NULL,'','2026-11-24T12:00:00Z','2026-11-24T12:00:00Z','2026-11-24T14:00:00Z','2026-11-25T12:00:00Z','2026-11-23T12:00:00Z',0,0,0,'','');
INSERT INTO "messages" VALUES('https://api.calendly.com/scheduled_events/e2/invitees/i1/confirmation/2026-11-25T12:00:00Z','m-2cd00ffaaa263ade','confirmation','https://api.calendly.com/scheduled_events/e2/invitees/i1','invitee','+13125550142','en','UTC','1001','{"name":"Ines Okafor","time":"Wed, Nov 25, 2026, 6:00 AM"}','failed','provider_refused','EngageLab 3002','2026-11-23T12:00:00Z','2026-11-23T12:00:00Z','2026-11-23T18:00:00Z','2026-11-25T12:00:00Z','2026-11-23T12:00:00Z',1,0,0,'','');
INSERT INTO "messages" VALUES('https://api.calendly.com/scheduled_events/e2/invitees/i1/reminder-24h/2026-11-25T12:00:00Z','m-dffd540e86c7d24e','reminder-24h','https://api.calendly.com/scheduled_events/e2/invitees/i1','invitee','+13125550142','en','UTC','1003','{"name":"Ines Okafor","time":"Wed, Nov 25, 2026, 6:00 AM"}','scheduled',NULL,'','2026-11-24T12:00:00Z','2026-11-24T12:00:00Z','2026-11-24T14:00:00Z','2026-11-25T12:00:00Z','2026-11-23T12:00:00Z',0,0,0,'','');
CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY CHECK (name IN ('born_at', 'instance', 'salt', 'account', 'user', 'token_digest', 'policy',
                                                    'paused_until', 'restored_at', 'restored_ticks', 'claims', 'scrub', 'cancellations_checked',
                                                    'rules_matched', 'policy_changed_at', 'scope', 'planned_again',
                                                    'health_checked_at')),
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "meta" VALUES('born_at','2026-11-16T12:00:00Z');
INSERT INTO "meta" VALUES('claims','2');
INSERT INTO "meta" VALUES('instance','5fee5816ff44330e');
INSERT INTO "meta" VALUES('salt','2cdf01f4da1cf62e4680fa3228beeb7e');
CREATE TABLE optouts (
    digest   TEXT NOT NULL PRIMARY KEY,
    number   TEXT NOT NULL CHECK (number = '' OR number GLOB '+[1-9]*'),
    added_at TEXT NOT NULL,
    reason   TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "optouts" VALUES('d95df470c32bcb801042479a4e0b7d0f','+447400123456','2026-11-23T12:00:00Z','by the operator');
CREATE TABLE outages (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    since   TEXT NOT NULL,
    silent  INTEGER NOT NULL CHECK (silent > 0),
    pause_s INTEGER NOT NULL CHECK (pause_s >= 0),
    ends_at TEXT CHECK ((ends_at IS NULL) = (pause_s = 0)) -- of the pause; NULL: too few of them yet
) STRICT;
CREATE TABLE pruned_messages (
    id TEXT NOT NULL PRIMARY KEY CHECK (id GLOB 'm-*')
) STRICT, WITHOUT ROWID;
CREATE TABLE reasons (
    code     TEXT NOT NULL PRIMARY KEY CHECK (code != '' AND code NOT GLOB '*[^a-z_]*'),
    sentence TEXT NOT NULL,
    remedy   TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "reasons" VALUES('after_start','The text''s time comes when the meeting has begun or is over.','');
INSERT INTO "reasons" VALUES('already_sent','The number has had this very text.','');
INSERT INTO "reasons" VALUES('before_birth','The text was due before this database''s first complete listing.','Nothing need be done: what is due from then on is sent');
INSERT INTO "reasons" VALUES('before_rule','The text was due before the settings that want it.','Nothing need be done: what is due from then on is sent');
INSERT INTO "reasons" VALUES('beyond_horizon','The event is beyond the `horizon`.','Widen it, or set it to none');
INSERT INTO "reasons" VALUES('booked_late','The booking was made when the text''s time had passed.','`late = "send"` in the rule sends it at once');
INSERT INTO "reasons" VALUES('booking_canceled','The booking was canceled.','');
INSERT INTO "reasons" VALUES('booking_moved','The booking was moved.','');
INSERT INTO "reasons" VALUES('by_operator','An operator''s command decided.','');
INSERT INTO "reasons" VALUES('clock_place','The clock time of the rule gives the booking no moment of its own.','');
INSERT INTO "reasons" VALUES('country_not_allowed','The number''s country is not allowed.','Add it to `phones.allowed_countries`');
INSERT INTO "reasons" VALUES('duplicate','The number gets this very text for another seat of the event.','');
INSERT INTO "reasons" VALUES('empty_field','A field of the text is empty for this booking.','Give the field a default: {field|words}');
INSERT INTO "reasons" VALUES('erased','The person was erased.','');
INSERT INTO "reasons" VALUES('event_missing','Calendly does not list the event at the moment.','Look at it in Calendly; the text waits until it is back');
INSERT INTO "reasons" VALUES('event_unreadable','The event cannot be read.','`syncer status` names the event and says why; it is read again by itself');
INSERT INTO "reasons" VALUES('extension','The number has an extension: it reaches no mobile.','Ask for a mobile number');
INSERT INTO "reasons" VALUES('field_refused','A field of the text holds nothing that may stand in an SMS.','Give the field a default: {field|words}');
INSERT INTO "reasons" VALUES('field_too_long','A field of the text is too long.','Use a shorter field in the rule''s params');
INSERT INTO "reasons" VALUES('guest_missing','Calendly does not list the guest among the event''s invitees.','Look at the booking in Calendly');
INSERT INTO "reasons" VALUES('halted','EngageLab takes no text at all at the moment.','Run `syncer check`: it says what EngageLab refuses');
INSERT INTO "reasons" VALUES('held_by_guard','Many bookings were canceled at once, which may be a mistake.','If it is meant: `syncer retry ID`, or `syncer run --once --force` for all; if not: `syncer cancel ID`');
INSERT INTO "reasons" VALUES('held_template','The template cannot be used.','`syncer check` says why; the text leaves when it can');
INSERT INTO "reasons" VALUES('interrupted','syncer stopped before the answer came: the text may have left.','Look in EngageLab''s console, then `syncer resolve ID --sent` or `--not-sent`');
INSERT INTO "reasons" VALUES('invalid_number','The number is not a valid one.','Correct it in Calendly or in the settings');
INSERT INTO "reasons" VALUES('landline','The number is a landline.','Ask for a mobile number, or set `phones.allow_landlines`');
INSERT INTO "reasons" VALUES('late','The text''s time has passed.','A longer `max_lateness` of the rule lets it leave later');
INSERT INTO "reasons" VALUES('must_reread','The booking must be read again before the text may leave.','');
INSERT INTO "reasons" VALUES('needs_country','The number has no country code.','Set `country` for numbers that are written without one');
INSERT INTO "reasons" VALUES('no_answer','EngageLab gave no usable answer: the text may have left.','Look in EngageLab''s console, then `syncer resolve ID --sent` or `--not-sent`');
INSERT INTO "reasons" VALUES('no_number','The booking has no phone number.','Ask for one in the booking form, or set `phones.sources`');
INSERT INTO "reasons" VALUES('no_rule','No rule wants the text any more.','');
INSERT INTO "reasons" VALUES('not_mobile','The number is not a mobile number.','Ask for a mobile number');
INSERT INTO "reasons" VALUES('not_told','The person was never told of this booking.','');
INSERT INTO "reasons" VALUES('opted_out','The number is opted out.','`syncer optout remove` allows it again');
INSERT INTO "reasons" VALUES('outage','EngageLab cannot be reached, or does not answer; the text leaves when it does.','');
INSERT INTO "reasons" VALUES('over_cap','The number has had as many texts in 24 hours as `limits.per_number_per_day` allows.','Raise it');
INSERT INTO "reasons" VALUES('own_cancellation','The person canceled the booking themselves.','`to_canceler = true` tells them all the same');
INSERT INTO "reasons" VALUES('provider_later','EngageLab did not take the text; it is tried again.','');
INSERT INTO "reasons" VALUES('provider_refused','EngageLab refused the text for good.','When the cause is mended: `syncer retry ID`');
INSERT INTO "reasons" VALUES('quiet_hours','Quiet hours keep the text back.','Change [quiet_hours], or set `quiet_hours = false` in the rule');
INSERT INTO "reasons" VALUES('restored','The text was due before a backup was put back: it may have left.','Look in EngageLab''s console, then `syncer resolve ID --sent` or `--not-sent`');
INSERT INTO "reasons" VALUES('seen_late','The text''s time had passed when syncer first saw the booking.','A longer `max_lateness` of the rule, or a shorter `interval`, lets it leave');
INSERT INTO "reasons" VALUES('superseded','A later reminder of the same meeting is due as well.','');
INSERT INTO "reasons" VALUES('too_long','The text is longer than `limits.segments_per_message` allows.','Raise it');
INSERT INTO "reasons" VALUES('two_numbers','The field holds more than one number.','Ask the guest which one is right');
INSERT INTO "reasons" VALUES('unclear_question','It is not clear which answer is the guest''s own number.','Name the question in `phones.sources`');
INSERT INTO "reasons" VALUES('waits_limit','A limit of [limits] is reached; the text waits.','Raise it, if the text must not wait');
CREATE TABLE refusals (
    id       INTEGER PRIMARY KEY,
    code     TEXT NOT NULL CHECK (code != ''),
    template TEXT NOT NULL,
    message  TEXT NOT NULL, -- its short id
    number   TEXT NOT NULL, -- a keyed hash
    unbroken INTEGER NOT NULL DEFAULT 1 CHECK (unbroken IN (0, 1)), -- 1: no text of any template was accepted since
    UNIQUE (template, number)
) STRICT;
CREATE TABLE rules (
    id      INTEGER PRIMARY KEY,
    name    TEXT NOT NULL,
    covers  TEXT NOT NULL CHECK (covers GLOB '{*}'),
    born_at TEXT NOT NULL
) STRICT;
CREATE TABLE runs (
    number       INTEGER PRIMARY KEY,
    id           TEXT NOT NULL UNIQUE,
    started_at   TEXT NOT NULL,
    ended_at     TEXT NOT NULL,
    checked      INTEGER NOT NULL CHECK (checked IN (0, 1)), -- 1: the clock agreed with Calendly's
    outcome      TEXT NOT NULL CHECK (outcome IN ('completed', 'failed', 'halted', 'refused')),
    counts       TEXT NOT NULL CHECK (counts GLOB '{*}'),
    error        TEXT NOT NULL
) STRICT;
INSERT INTO "runs" VALUES(1,'r1','2026-11-23T12:00:00Z','2026-11-23T12:00:00Z',1,'completed','{}','');
CREATE TABLE templates (
    template TEXT NOT NULL PRIMARY KEY,
    digest   TEXT NOT NULL,
    seen_at  TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE test_texts (
    id                  INTEGER PRIMARY KEY,
    at                  TEXT NOT NULL,
    rule                TEXT NOT NULL,
    language            TEXT NOT NULL,
    template            TEXT NOT NULL,
    number_digest       TEXT NOT NULL,
    outcome             TEXT NOT NULL CHECK (outcome IN ('sending', 'sent', 'refused', 'unknown')),
    code                TEXT NOT NULL DEFAULT '',
    segments            INTEGER NOT NULL DEFAULT 0 CHECK (segments >= 0),
    provider_message_id TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE TABLE unreadable_events (
    uri      TEXT NOT NULL PRIMARY KEY,
    since    TEXT NOT NULL,
    failures INTEGER NOT NULL CHECK (failures > 0),
    retry_at TEXT NOT NULL,
    error    TEXT NOT NULL CHECK (error != '')
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX events_listed ON events (start_at, mark, reread_at, read_at, missing_at, settles_at);
CREATE INDEX events_mark ON events (mark);
CREATE INDEX events_external_id ON events (external_id) WHERE external_id != '';
CREATE INDEX bookings_event ON bookings (event);
CREATE INDEX bookings_with_person ON bookings (event)
WHERE name || email || text_reminder_number || cancel_reason != '' OR answers != '[]';
CREATE INDEX bookings_email ON bookings (lower(email));
CREATE INDEX bookings_unlinked ON bookings (lower(email)) WHERE rescheduled = 1 AND new_invitee = '';
CREATE INDEX bookings_old_invitee ON bookings (old_invitee) WHERE old_invitee != '';
CREATE INDEX bookings_new_invitee ON bookings (new_invitee) WHERE new_invitee != '';
CREATE INDEX messages_due ON messages (next_at) WHERE state IN ('scheduled', 'retryable');
CREATE INDEX messages_expiring ON messages (expires_at) WHERE state IN ('scheduled', 'retryable');
CREATE INDEX messages_meeting ON messages (meeting_at) WHERE state IN ('scheduled', 'retryable');
CREATE INDEX messages_sending ON messages (key) WHERE state = 'sending';
CREATE INDEX messages_booking ON messages (booking);
CREATE INDEX messages_recipient ON messages (recipient, changed_at);
CREATE INDEX messages_left ON messages (changed_at) WHERE state IN ('sent', 'unknown', 'sending') AND attempts > 0;
CREATE TRIGGER messages_counted_in AFTER INSERT ON messages
BEGIN
    INSERT INTO message_counts (state, n) VALUES (new.state, 1) ON CONFLICT (state) DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER messages_counted_on AFTER UPDATE OF state ON messages WHEN old.state != new.state
BEGIN
    UPDATE message_counts SET n = n - 1 WHERE state = old.state;
    INSERT INTO message_counts (state, n) VALUES (new.state, 1) ON CONFLICT (state) DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER messages_counted_out AFTER DELETE ON messages
BEGIN
    UPDATE message_counts SET n = n - 1 WHERE state = old.state;
END;
CREATE TRIGGER messages_never_twice BEFORE INSERT ON messages
WHEN new.state != 'skipped' AND EXISTS (SELECT 1 FROM pruned_messages p WHERE p.id = new.id)
BEGIN
    SELECT RAISE(ABORT, 'this message was sent before and deleted since');
END;
CREATE TRIGGER messages_never_twice_later BEFORE UPDATE OF state ON messages
WHEN new.state IN ('scheduled', 'retryable', 'sending') AND EXISTS (SELECT 1 FROM pruned_messages p WHERE p.id = new.id)
BEGIN
    SELECT RAISE(ABORT, 'this message was sent before and deleted since');
END;
CREATE TRIGGER messages_moves BEFORE UPDATE OF state ON messages
WHEN old.state != new.state AND old.state || '>' || new.state NOT IN (
    'scheduled>sending', 'scheduled>canceled', 'scheduled>expired', 'scheduled>skipped', 'scheduled>unknown',
    'retryable>sending', 'retryable>canceled', 'retryable>expired', 'retryable>skipped', 'retryable>unknown',
    'sending>sent', 'sending>failed', 'sending>retryable', 'sending>unknown',
    'failed>scheduled', 'failed>canceled',
    'unknown>scheduled', 'unknown>sent', 'unknown>canceled', 'unknown>expired',
    'canceled>scheduled', 'canceled>unknown', 'skipped>scheduled', 'skipped>unknown')
BEGIN
    SELECT RAISE(ABORT, 'a message cannot make this move');
END;
CREATE TRIGGER messages_claimed AFTER UPDATE OF state ON messages
WHEN new.state = 'sending' AND old.state != 'sending'
BEGIN
    UPDATE meta SET value = CAST(value AS INTEGER) + 1 WHERE name = 'claims';
END;
CREATE TRIGGER messages_frozen BEFORE UPDATE OF recipient, template, params, rule, booking ON messages
WHEN old.state IN ('sending', 'sent', 'unknown')
     AND (old.recipient, old.template, old.params, old.rule, old.booking)
         IS NOT (new.recipient, new.template, new.params, new.rule, new.booking)
     AND NOT (old.state != 'sending' AND new.recipient IN (old.recipient, 'erased') AND new.params = '{}'
              AND (old.template, old.rule) IS (new.template, new.rule)
              AND (old.booking IS new.booking OR new.booking GLOB 'forgotten:*'))
BEGIN
    SELECT RAISE(ABORT, 'a message is frozen once it is claimed');
END;
CREATE INDEX forgotten_ends ON forgotten (ends_at);
CREATE INDEX history_key ON history (key);
CREATE TRIGGER messages_born AFTER INSERT ON messages
BEGIN
    INSERT INTO history (key, at, state, reason, detail)
    VALUES (new.key, new.changed_at, new.state, new.reason, new.detail);
END;
CREATE TRIGGER messages_moved AFTER UPDATE ON messages
WHEN old.state != new.state OR old.reason IS NOT new.reason OR old.detail != new.detail
BEGIN
    INSERT INTO history (key, at, state, reason, detail)
    VALUES (new.key, new.changed_at, new.state, new.reason, new.detail);
END;
CREATE INDEX changes_booking ON changes (booking);
CREATE INDEX changes_canceled ON changes (id) WHERE kind = 'canceled';
DELETE FROM "sqlite_sequence";
COMMIT;
