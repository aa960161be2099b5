-- The whole state of syncer. Times are UTC text, `2026-11-25T16:00:00Z`, so that text order is time order.
-- JSON columns are checked by shape: json_valid() is refused in a schema that is not trusted (PRAGMA trusted_schema).
-- `messages` is the outbox: its CHECKs and triggers hold the promises, whatever the program above them does.

CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY CHECK (name IN ('born_at', 'instance', 'salt', 'account', 'user', 'token_digest', 'policy',
                                                    'paused_until', 'restored_at', 'claims', 'scrub', 'cancellations_checked',
                                                    'rules_matched', 'policy_changed_at', 'scope')),
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO meta (name, value) VALUES ('claims', '0');

-- What each rule covered, from when on; the last row of a name is what it covers now. A new rule texts nobody about what was
-- due before it, nor does an old one about what it covers only since then.
CREATE TABLE rules (
    id      INTEGER PRIMARY KEY,
    name    TEXT NOT NULL,
    covers  TEXT NOT NULL CHECK (covers GLOB '{*}'),
    born_at TEXT NOT NULL
) STRICT;

-- Why a message is in its state. The program keeps these rows as its own list says (`syncer/reasons.py`): it decides by the
-- code, and the sentence and the remedy are for people.
CREATE TABLE reasons (
    code     TEXT NOT NULL PRIMARY KEY CHECK (code != '' AND code NOT GLOB '*[^a-z_]*'),
    sentence TEXT NOT NULL,
    remedy   TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The snapshot: Calendly's events as they were when their invitees were last read.
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
-- With all that says whether an event needs a look: a run without news reads nothing but this of the snapshot.
CREATE INDEX events_listed ON events (start_at, mark, reread_at, read_at, missing_at, settles_at);
CREATE INDEX events_mark ON events (mark);
CREATE INDEX events_external_id ON events (external_id) WHERE external_id != '';

-- Events that Calendly lists and that could not be read: nothing leaves about them. They are tried again, ever more rarely.
CREATE TABLE unreadable_events (
    uri      TEXT NOT NULL PRIMARY KEY,
    since    TEXT NOT NULL,
    failures INTEGER NOT NULL CHECK (failures > 0),
    retry_at TEXT NOT NULL,
    error    TEXT NOT NULL CHECK (error != '')
) STRICT, WITHOUT ROWID;

-- One row an invitee: the unit of everything that is texted.
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
CREATE INDEX bookings_event ON bookings (event);
CREATE INDEX bookings_email ON bookings (lower(email));
-- Old halves of moves whose new half Calendly does not name.
CREATE INDEX bookings_unlinked ON bookings (lower(email)) WHERE rescheduled = 1 AND new_invitee = '';
-- Both neighbours of a booking that could not be read name it: so their moves stay joined.
CREATE INDEX bookings_old_invitee ON bookings (old_invitee) WHERE old_invitee != '';
CREATE INDEX bookings_new_invitee ON bookings (new_invitee) WHERE new_invitee != '';

-- Which questions of an event type ask for a phone number: Calendly says so there and nowhere else.
CREATE TABLE event_types (
    uri             TEXT NOT NULL PRIMARY KEY,
    phone_questions TEXT NOT NULL CHECK (phone_questions GLOB '[[]*]'),
    read_at         TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The outbox. The key is `{invitee URI}/{rule}/{anchor time}`: no key is ever sent twice.
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
CREATE INDEX messages_due ON messages (next_at) WHERE state IN ('scheduled', 'retryable');
CREATE INDEX messages_expiring ON messages (expires_at) WHERE state IN ('scheduled', 'retryable');
CREATE INDEX messages_meeting ON messages (meeting_at) WHERE state IN ('scheduled', 'retryable');
CREATE INDEX messages_sending ON messages (key) WHERE state = 'sending';
CREATE INDEX messages_booking ON messages (booking);
CREATE INDEX messages_recipient ON messages (recipient, changed_at);

-- The picture of the states, held by the database: every other move is refused.
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

-- How often a message was claimed, ever. The lock file notes it, too: a database that knows of fewer is an older one.
CREATE TRIGGER messages_claimed AFTER UPDATE OF state ON messages
WHEN new.state = 'sending' AND old.state != 'sending'
BEGIN
    UPDATE meta SET value = CAST(value AS INTEGER) + 1 WHERE name = 'claims';
END;

-- What is on its way or out stays as it was when it was claimed. Only a person who was erased is taken out of it, and
-- whose booking is forgotten goes by the keyed hash of its address.
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

-- Refusals of a template's texts in a row, with one code, each to another number: five of them hold the template. Five of
-- several templates, with nothing accepted in between, hold all sending.
CREATE TABLE refusals (
    id       INTEGER PRIMARY KEY,
    code     TEXT NOT NULL CHECK (code != ''),
    template TEXT NOT NULL,
    message  TEXT NOT NULL, -- its short id
    number   TEXT NOT NULL, -- a keyed hash
    unbroken INTEGER NOT NULL DEFAULT 1 CHECK (unbroken IN (0, 1)), -- 1: no text of any template was accepted since
    UNIQUE (template, number)
) STRICT;

-- Texts in a row that the gateway did not answer, in one row or none. Enough of them are an outage: nothing leaves for a
-- pause, and then one text alone.
CREATE TABLE outages (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    since   TEXT NOT NULL,
    silent  INTEGER NOT NULL CHECK (silent > 0),
    pause_s INTEGER NOT NULL CHECK (pause_s >= 0),
    ends_at TEXT CHECK ((ends_at IS NULL) = (pause_s = 0)) -- of the pause; NULL: too few of them yet
) STRICT;

-- Real texts to one's own number, by `syncer test`: they belong to no booking.
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

-- Numbers never to text. The keyed hash decides; it stays when the person is forgotten, the number does not.
CREATE TABLE optouts (
    digest   TEXT NOT NULL PRIMARY KEY,
    number   TEXT NOT NULL CHECK (number = '' OR number GLOB '+[1-9]*'),
    added_at TEXT NOT NULL,
    reason   TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Keyed hashes of what was erased and that Calendly may still list: bookings, and places that hold a guest's number.
CREATE TABLE forgotten (
    digest TEXT NOT NULL PRIMARY KEY,
    at     TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- A hash of each template's wording as last seen: when it changes, somebody should know.
CREATE TABLE templates (
    template TEXT NOT NULL PRIMARY KEY,
    digest   TEXT NOT NULL,
    seen_at  TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The story of each message, written by the database itself; `explain` reads it. It holds no personal data.
CREATE TABLE history (
    id     INTEGER PRIMARY KEY,
    key    TEXT NOT NULL,
    at     TEXT NOT NULL,
    state  TEXT NOT NULL,
    reason TEXT REFERENCES reasons (code),
    detail TEXT NOT NULL
) STRICT;
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

-- What was noticed about bookings, for `explain`.
CREATE TABLE changes (
    id      INTEGER PRIMARY KEY,
    at      TEXT NOT NULL,
    booking TEXT NOT NULL,
    event   TEXT NOT NULL,
    kind    TEXT NOT NULL CHECK (kind IN ('created', 'canceled', 'rescheduled', 'moved', 'reassigned', 'missing')),
    detail  TEXT NOT NULL
) STRICT;
CREATE INDEX changes_booking ON changes (booking);
CREATE INDEX changes_canceled ON changes (id) WHERE kind = 'canceled';

-- One row a run.
CREATE TABLE runs (
    id           TEXT NOT NULL PRIMARY KEY,
    started_at   TEXT NOT NULL,
    ended_at     TEXT NOT NULL,
    outcome      TEXT NOT NULL CHECK (outcome IN ('completed', 'failed', 'halted', 'refused')),
    counts       TEXT NOT NULL CHECK (counts GLOB '{*}'),
    error        TEXT NOT NULL
) STRICT;
CREATE INDEX runs_ended ON runs (ended_at);
