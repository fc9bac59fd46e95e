-- The first version of the ledger.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE folders (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

CREATE TABLE destinations (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

-- Processes that hold claims. Numbers are never given twice: a claim names its owner for good.
CREATE TABLE owners (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    name    TEXT NOT NULL,
    host    TEXT NOT NULL,
    space   TEXT NOT NULL,
    number  INTEGER NOT NULL,
    started TEXT NOT NULL,
    joined  REAL NOT NULL,
    beat    REAL NOT NULL,
    gone_at REAL
);
CREATE INDEX owners_living ON owners (id) WHERE gone_at IS NULL;

-- What is claimed as a whole: a study, or a group of files before their study is known, at one
-- destination. A unit is there as long as it has files that are not finished; `due` is when the first of
-- them is, which triggers see to.
CREATE TABLE units (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    key         TEXT NOT NULL,
    destination INTEGER NOT NULL REFERENCES destinations,
    due         REAL,
    owner       INTEGER REFERENCES owners,
    since       REAL,
    UNIQUE (key, destination)
);
CREATE INDEX units_due ON units (destination, due) WHERE owner IS NULL AND due IS NOT NULL;
CREATE INDEX units_owner ON units (owner) WHERE owner IS NOT NULL;

CREATE TABLE studies (
    id        INTEGER PRIMARY KEY,
    uid       TEXT NOT NULL UNIQUE,
    frozen    TEXT,
    frozen_at REAL,
    series    INTEGER NOT NULL DEFAULT 0  -- the last Series Number given
);
CREATE INDEX studies_frozen ON studies (frozen_at) WHERE frozen IS NOT NULL;

-- Keys by which a study is known again; only their digests, since they name patients.
CREATE TABLE study_keys (
    key   BLOB PRIMARY KEY,
    study INTEGER NOT NULL REFERENCES studies
) WITHOUT ROWID;

CREATE TABLE series (
    id        INTEGER PRIMARY KEY,
    uid       TEXT NOT NULL UNIQUE,
    study     INTEGER NOT NULL REFERENCES studies,
    number    INTEGER,
    instances INTEGER NOT NULL DEFAULT 0  -- the last Instance Number given
);
CREATE UNIQUE INDEX series_study ON series (study, number);

CREATE TABLE instances (
    id        INTEGER PRIMARY KEY,
    uid       TEXT NOT NULL UNIQUE,
    series    INTEGER NOT NULL REFERENCES series,
    number    INTEGER,
    sop_class TEXT
);
CREATE UNIQUE INDEX instances_series ON instances (series, number);

-- A source file on its way to a destination. A file that changed after it was finished is a row of its
-- own with the next generation; the one before is no longer current.
CREATE TABLE files (
    id                INTEGER PRIMARY KEY,
    folder            INTEGER NOT NULL REFERENCES folders,
    path              BLOB,  -- NULL once it was purged
    destination       INTEGER NOT NULL REFERENCES destinations,
    generation        INTEGER NOT NULL DEFAULT 1,
    current           INTEGER NOT NULL DEFAULT 1,
    state             TEXT NOT NULL,
    back              TEXT,  -- the state from which it was claimed, or before it was changed
    since             REAL NOT NULL,
    due               REAL,
    unit              INTEGER REFERENCES units,
    instance          INTEGER REFERENCES instances,
    size              INTEGER NOT NULL,
    modified_ns       INTEGER NOT NULL,
    inode             INTEGER NOT NULL,
    seen_at           REAL NOT NULL,
    finished_at       REAL,
    attempts          INTEGER NOT NULL DEFAULT 0,
    checks            INTEGER NOT NULL DEFAULT 0,
    crashes           INTEGER NOT NULL DEFAULT 0,
    doubt             INTEGER NOT NULL DEFAULT 0,
    revision          INTEGER NOT NULL DEFAULT 0,
    original          TEXT,  -- 'due' when the file itself is to be moved or deleted, then 'done'
    sent              INTEGER NOT NULL DEFAULT 0,
    seconds           REAL,
    reason            TEXT,
    format            TEXT,
    template          TEXT,
    name              TEXT,  -- searchable
    text              TEXT,
    digest            BLOB,
    attributes_digest BLOB
);
CREATE UNIQUE INDEX files_path ON files (folder, path, destination, generation);
CREATE INDEX files_state ON files (state);
CREATE INDEX files_waiting ON files (folder, destination, state, since)
    WHERE state IN ('seen', 'settling', 'ready', 'claimed', 'retry', 'held');
CREATE INDEX files_unit ON files (unit, due) WHERE unit IS NOT NULL;
CREATE INDEX files_claimed ON files (unit) WHERE state = 'claimed';
CREATE INDEX files_instance ON files (instance) WHERE instance IS NOT NULL;
CREATE INDEX files_name ON files (name) WHERE name IS NOT NULL;
CREATE INDEX files_original ON files (folder) WHERE original = 'due';

-- What few files have, or few people ask for.
CREATE TABLE details (
    file           INTEGER PRIMARY KEY REFERENCES files,
    retrieve_url   TEXT,
    messages       TEXT,
    answer         BLOB,
    attributes     BLOB,
    wanted         BLOB,
    assigned       TEXT,
    assigned_study TEXT
);

-- Files outside on which an outcome depended, as they were then; no stamp for one that was not there.
CREATE TABLE dependencies (
    id   INTEGER PRIMARY KEY,
    path BLOB NOT NULL UNIQUE
);
CREATE TABLE depends (
    dependency INTEGER NOT NULL REFERENCES dependencies,
    file       INTEGER NOT NULL REFERENCES files,
    stamp      TEXT,
    PRIMARY KEY (dependency, file)
) WITHOUT ROWID;
CREATE INDEX depends_file ON depends (file);

-- By what people look for studies, and for files that have no study yet.
CREATE TABLE names (
    id    INTEGER PRIMARY KEY,
    value TEXT NOT NULL,  -- searchable
    kind  TEXT NOT NULL,
    study INTEGER REFERENCES studies,
    file  INTEGER REFERENCES files
);
CREATE INDEX names_value ON names (value);
CREATE UNIQUE INDEX names_study ON names (study, kind, value) WHERE study IS NOT NULL;
CREATE UNIQUE INDEX names_file ON names (file, kind, value) WHERE file IS NOT NULL;

CREATE TABLE events (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    at   REAL NOT NULL,
    who  TEXT NOT NULL,
    what TEXT NOT NULL,
    file INTEGER,
    text TEXT
);
CREATE INDEX events_file ON events (file) WHERE file IS NOT NULL;
CREATE INDEX events_at ON events (at);

CREATE TRIGGER events_stay BEFORE DELETE ON events
BEGIN
    SELECT RAISE(ABORT, 'events are never deleted');
END;
CREATE TRIGGER events_unchanged BEFORE UPDATE ON events
WHEN NOT EXISTS (SELECT 1 FROM meta WHERE key = 'purging')
    OR NEW.text IS NOT NULL
    OR (NEW.id, NEW.at, NEW.who, NEW.what, NEW.file) IS NOT (OLD.id, OLD.at, OLD.who, OLD.what, OLD.file)
BEGIN
    SELECT RAISE(ABORT, 'events are never changed');
END;

-- Files and bytes that came into a state, by the hour.
CREATE TABLE hours (
    hour        INTEGER NOT NULL,  -- since 1970
    folder      INTEGER NOT NULL REFERENCES folders,
    destination INTEGER NOT NULL REFERENCES destinations,
    state       TEXT NOT NULL,
    files       INTEGER NOT NULL,
    size        INTEGER NOT NULL,
    PRIMARY KEY (hour, folder, destination, state)
) WITHOUT ROWID;

-- How many current files are in each state; kept by triggers, so that counting ten million takes no time.
CREATE TABLE tallies (
    folder      INTEGER NOT NULL REFERENCES folders,
    destination INTEGER NOT NULL REFERENCES destinations,
    state       TEXT NOT NULL,
    files       INTEGER NOT NULL,
    size        INTEGER NOT NULL,
    PRIMARY KEY (folder, destination, state)
) WITHOUT ROWID;

CREATE TRIGGER tally_new AFTER INSERT ON files WHEN NEW.current
BEGIN
    INSERT INTO tallies VALUES (NEW.folder, NEW.destination, NEW.state, 1, NEW.size)
    ON CONFLICT DO UPDATE SET files = files + 1, size = size + excluded.size;
END;
CREATE TRIGGER tally_change AFTER UPDATE OF state, current, size ON files
WHEN (OLD.state, OLD.current, OLD.size) IS NOT (NEW.state, NEW.current, NEW.size)
BEGIN
    UPDATE tallies SET files = files - 1, size = size - OLD.size
    WHERE OLD.current AND folder = OLD.folder AND destination = OLD.destination AND state = OLD.state;
    INSERT INTO tallies SELECT NEW.folder, NEW.destination, NEW.state, 1, NEW.size WHERE NEW.current
    ON CONFLICT DO UPDATE SET files = files + 1, size = size + excluded.size;
END;

-- A unit is due when the first of its files is.
CREATE TRIGGER unit_due AFTER UPDATE OF unit, due ON files
WHEN (OLD.unit, OLD.due) IS NOT (NEW.unit, NEW.due)
BEGIN
    UPDATE units SET due = (SELECT min(due) FROM files WHERE unit = units.id AND due IS NOT NULL)
    WHERE id IN (OLD.unit, NEW.unit);
END;

-- A unit that has lost its last file is of no more use, unless somebody is at it.
CREATE TRIGGER unit_empty AFTER UPDATE OF unit ON files WHEN OLD.unit IS NOT NULL AND NEW.unit IS NOT OLD.unit
BEGIN
    DELETE FROM units
    WHERE id = OLD.unit AND owner IS NULL AND NOT EXISTS (SELECT 1 FROM files WHERE unit = OLD.unit);
END;

-- A file with all that a list shows of it.
CREATE VIEW entries AS
SELECT
    f.*,
    folders.name AS folder_name,
    destinations.name AS destination_name,
    i.uid AS instance_uid,
    i.sop_class AS sop_class,
    i.number AS instance_number,
    s.uid AS series_uid,
    s.number AS series_number,
    t.uid AS study_uid,
    d.retrieve_url AS retrieve_url,
    d.assigned AS assigned,
    d.assigned_study AS assigned_study
FROM files f
CROSS JOIN folders ON folders.id = f.folder  -- CROSS: the file first, then what belongs to it
CROSS JOIN destinations ON destinations.id = f.destination
LEFT JOIN instances i ON i.id = f.instance
LEFT JOIN series s ON s.id = i.series
LEFT JOIN studies t ON t.id = s.study
LEFT JOIN details d ON d.file = f.id;
