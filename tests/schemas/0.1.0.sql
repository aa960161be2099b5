BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'syncer','0001_initial','2026-11-28 08:25:05.536489+00:00');
CREATE TABLE bookings (
    uri                  TEXT NOT NULL PRIMARY KEY,
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
    missing_at           TEXT
) STRICT;
INSERT INTO "bookings" VALUES('https://api.calendly.com/scheduled_events/e1/invitees/i1','https://api.calendly.com/scheduled_events/e1','active','Ines Okafor','','','ines.okafor@example.com','America/Chicago','+13125550142','[]','2026-11-23T11:00:00Z',0,'','',NULL,'','','','',NULL,'2026-11-23T12:00:00Z','2026-11-23T12:00:00Z',NULL,NULL);
INSERT INTO "bookings" VALUES('https://api.calendly.com/scheduled_events/e2/invitees/i1','https://api.calendly.com/scheduled_events/e2','active','Ines Okafor','','','ines.okafor@example.com','America/Chicago','+13125550142','[]','2026-11-23T11:00:00Z',0,'','',NULL,'','','','',NULL,'2026-11-23T12:00:00Z','2026-11-23T12:00:00Z',NULL,NULL);
CREATE TABLE changes (
    id      INTEGER PRIMARY KEY,
    at      TEXT NOT NULL,
    booking TEXT NOT NULL,
    event   TEXT NOT NULL,
    kind    TEXT NOT NULL CHECK (kind IN ('created', 'canceled', 'rescheduled', 'moved', 'missing')),
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
    mark       INTEGER,       -- a keyed hash of what was listed of it: listed with the same, it is as it was
    read_at    TEXT NOT NULL,
    reread_at  TEXT,          -- read it again from here on, whatever is listed
    settles_at TEXT,          -- a cancellation was younger than `settle` when it was read: read it again from here on
    missing_at TEXT           -- absent from complete listings since then; never a cancellation
) STRICT;
INSERT INTO "events" VALUES('https://api.calendly.com/scheduled_events/e1','Phone consultation','active','2026-11-25T12:00:00Z','2026-11-25T12:30:00Z','https://api.calendly.com/event_types/t1','null','[{"email":"mara@northpier.example","name":"Mara Lindqvist","uri":"https://api.calendly.com/users/u1"}]',1,1,NULL,'2026-11-23T12:00:00Z',NULL,NULL,NULL);
INSERT INTO "events" VALUES('https://api.calendly.com/scheduled_events/e2','Phone consultation','active','2026-11-25T12:00:00Z','2026-11-25T12:30:00Z','https://api.calendly.com/event_types/t1','null','[{"email":"mara@northpier.example","name":"Mara Lindqvist","uri":"https://api.calendly.com/users/u1"}]',1,1,NULL,'2026-11-23T12:00:00Z',NULL,NULL,NULL);
CREATE TABLE forgotten (
    digest TEXT NOT NULL PRIMARY KEY,
    at     TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE history (
    id     INTEGER PRIMARY KEY,
    key    TEXT NOT NULL,
    at     TEXT NOT NULL,
    state  TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT;
INSERT INTO "history" VALUES(1,'https://api.calendly.com/scheduled_events/e1/invitees/i1/confirmation/2026-11-25T12:00:00Z','2026-11-23T12:00:00Z','scheduled','');
INSERT INTO "history" VALUES(2,'https://api.calendly.com/scheduled_events/e1/invitees/i1/reminder-24h/2026-11-25T12:00:00Z','2026-11-23T12:00:00Z','scheduled','');
INSERT INTO "history" VALUES(3,'https://api.calendly.com/scheduled_events/e2/invitees/i1/confirmation/2026-11-25T12:00:00Z','2026-11-23T12:00:00Z','scheduled','');
INSERT INTO "history" VALUES(4,'https://api.calendly.com/scheduled_events/e2/invitees/i1/reminder-24h/2026-11-25T12:00:00Z','2026-11-23T12:00:00Z','scheduled','');
INSERT INTO "history" VALUES(5,'https://api.calendly.com/scheduled_events/e1/invitees/i1/confirmation/2026-11-25T12:00:00Z','2026-11-23T12:00:00Z','sending','');
INSERT INTO "history" VALUES(6,'https://api.calendly.com/scheduled_events/e1/invitees/i1/confirmation/2026-11-25T12:00:00Z','2026-11-23T12:00:00Z','sent','');
INSERT INTO "history" VALUES(7,'https://api.calendly.com/scheduled_events/e2/invitees/i1/confirmation/2026-11-25T12:00:00Z','2026-11-23T12:00:00Z','sending','');
INSERT INTO "history" VALUES(8,'https://api.calendly.com/scheduled_events/e2/invitees/i1/confirmation/2026-11-25T12:00:00Z','2026-11-23T12:00:00Z','failed','EngageLab 3002');
CREATE TABLE messages (
    key                 TEXT NOT NULL PRIMARY KEY,
    rule                TEXT NOT NULL,
    booking             TEXT NOT NULL REFERENCES bookings (uri),
    audience            TEXT NOT NULL CHECK (audience IN ('invitee', 'host')),
    recipient           TEXT NOT NULL,
    language            TEXT NOT NULL,
    timezone            TEXT NOT NULL,
    template            TEXT NOT NULL,
    params              TEXT NOT NULL CHECK (params GLOB '{*}'),
    state               TEXT NOT NULL CHECK (state IN ('scheduled', 'sending', 'retryable', 'sent', 'failed',
                                                       'unknown', 'canceled', 'expired', 'skipped')),
    reason              TEXT NOT NULL,
    scheduled_at        TEXT NOT NULL,
    next_at             TEXT NOT NULL,
    expires_at          TEXT NOT NULL CHECK (expires_at >= scheduled_at),
    meeting_at          TEXT NOT NULL,
    changed_at          TEXT NOT NULL,
    attempts            INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    refusals            INTEGER NOT NULL DEFAULT 0 CHECK (refusals >= 0),
    provider_message_id TEXT NOT NULL DEFAULT '',
    provider_plan_id    TEXT NOT NULL DEFAULT '',
    -- sent: the provider gave an id, or a person said so and the reason says who and why
    CHECK (state != 'sent' OR provider_message_id != '' OR reason != ''),
    CHECK (state NOT IN ('failed', 'unknown', 'canceled', 'expired', 'skipped') OR reason != ''),
    CHECK (state NOT IN ('scheduled', 'sending', 'retryable', 'sent', 'unknown') OR (recipient != '' AND template != '')),
    -- unknown without an attempt: a backup was restored, and the attempt may be in what was lost
    CHECK (state NOT IN ('sending', 'failed', 'retryable') OR attempts > 0)
) STRICT;
INSERT INTO "messages" VALUES('https://api.calendly.com/scheduled_events/e1/invitees/i1/confirmation/2026-11-25T12:00:00Z','confirmation','https://api.calendly.com/scheduled_events/e1/invitees/i1','invitee','+13125550142','en','UTC','1001','{"name":"Ines Okafor","time":"Wed, Nov 25, 2026, 6:00 AM"}','sent','','2026-11-23T12:00:00Z','2026-11-23T12:00:00Z','2026-11-23T18:00:00Z','2026-11-25T12:00:00Z','2026-11-23T12:00:00Z',1,0,'1','2');
INSERT INTO "messages" VALUES('https://api.calendly.com/scheduled_events/e1/invitees/i1/reminder-24h/2026-11-25T12:00:00Z','reminder-24h','https://api.calendly.com/scheduled_events/e1/invitees/i1','invitee','+13125550142','en','UTC','1003','{"name":"Ines Okafor","time":"Wed, Nov 25, 2026, 6:00 AM"}','scheduled','','2026-11-24T12:00:00Z','2026-11-24T12:00:00Z','2026-11-24T14:00:00Z','2026-11-25T12:00:00Z','2026-11-23T12:00:00Z',0,0,'','');
INSERT INTO "messages" VALUES('https://api.calendly.com/scheduled_events/e2/invitees/i1/confirmation/2026-11-25T12:00:00Z','confirmation','https://api.calendly.com/scheduled_events/e2/invitees/i1','invitee','+13125550142','en','UTC','1001','{"name":"Ines Okafor","time":"Wed, Nov 25, 2026, 6:00 AM"}','failed','EngageLab 3002','2026-11-23T12:00:00Z','2026-11-23T12:00:00Z','2026-11-23T18:00:00Z','2026-11-25T12:00:00Z','2026-11-23T12:00:00Z',1,0,'','');
INSERT INTO "messages" VALUES('https://api.calendly.com/scheduled_events/e2/invitees/i1/reminder-24h/2026-11-25T12:00:00Z','reminder-24h','https://api.calendly.com/scheduled_events/e2/invitees/i1','invitee','+13125550142','en','UTC','1003','{"name":"Ines Okafor","time":"Wed, Nov 25, 2026, 6:00 AM"}','scheduled','','2026-11-24T12:00:00Z','2026-11-24T12:00:00Z','2026-11-24T14:00:00Z','2026-11-25T12:00:00Z','2026-11-23T12:00:00Z',0,0,'','');
CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY CHECK (name IN ('born_at', 'instance', 'salt', 'account', 'user', 'token_digest', 'policy',
                                                    'paused_until', 'restored_at', 'claims', 'scrub')),
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "meta" VALUES('born_at','2026-11-16T12:00:00Z');
INSERT INTO "meta" VALUES('claims','2');
INSERT INTO "meta" VALUES('instance','9cb6e2c5c130c783');
INSERT INTO "meta" VALUES('salt','bf061c6b1037c8498d73fb201582d45f');
CREATE TABLE optouts (
    digest   TEXT NOT NULL PRIMARY KEY,
    number   TEXT NOT NULL CHECK (number = '' OR number GLOB '+[1-9]*'),
    added_at TEXT NOT NULL,
    reason   TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "optouts" VALUES('692967bd3e5dc8f74eefa0c7b0fc64a4','+447400123456','2026-11-23T12:00:00Z','by the operator');
CREATE TABLE rules (
    name    TEXT NOT NULL PRIMARY KEY,
    born_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE runs (
    id           TEXT NOT NULL PRIMARY KEY,
    started_at   TEXT NOT NULL,
    ended_at     TEXT NOT NULL,
    outcome      TEXT NOT NULL CHECK (outcome IN ('completed', 'failed', 'halted', 'refused')),
    counts       TEXT NOT NULL CHECK (counts GLOB '{*}'),
    error        TEXT NOT NULL
) STRICT;
INSERT INTO "runs" VALUES('r1','2026-11-23T12:00:00Z','2026-11-23T12:00:00Z','completed','{}','');
CREATE TABLE templates (
    template TEXT NOT NULL PRIMARY KEY,
    digest   TEXT NOT NULL,
    seen_at  TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX events_listed ON events (start_at, mark, reread_at, read_at, missing_at, settles_at);
CREATE INDEX events_mark ON events (mark);
CREATE INDEX bookings_event ON bookings (event);
CREATE INDEX bookings_email ON bookings (email);
CREATE INDEX messages_due ON messages (next_at) WHERE state IN ('scheduled', 'retryable');
CREATE INDEX messages_expiring ON messages (expires_at) WHERE state IN ('scheduled', 'retryable');
CREATE INDEX messages_meeting ON messages (meeting_at) WHERE state IN ('scheduled', 'retryable');
CREATE INDEX messages_sending ON messages (key) WHERE state = 'sending';
CREATE INDEX messages_booking ON messages (booking);
CREATE INDEX messages_recipient ON messages (recipient, changed_at);
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
CREATE INDEX history_key ON history (key);
CREATE TRIGGER messages_born AFTER INSERT ON messages
BEGIN
    INSERT INTO history (key, at, state, reason) VALUES (new.key, new.changed_at, new.state, new.reason);
END;
CREATE TRIGGER messages_moved AFTER UPDATE ON messages
WHEN old.state != new.state OR old.reason != new.reason
BEGIN
    INSERT INTO history (key, at, state, reason) VALUES (new.key, new.changed_at, new.state, new.reason);
END;
CREATE INDEX changes_booking ON changes (booking);
CREATE INDEX runs_ended ON runs (ended_at);
COMMIT;
