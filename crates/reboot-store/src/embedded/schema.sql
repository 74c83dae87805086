CREATE TABLE meta(
    id INTEGER PRIMARY KEY CHECK(id = 1),
    epoch INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    boot_id TEXT NOT NULL,
    last_ticket INTEGER NOT NULL,
    pause TEXT
) STRICT;
CREATE TABLE groups(
    name TEXT PRIMARY KEY,
    record TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE sessions(
    session TEXT PRIMARY KEY,
    node TEXT NOT NULL,
    instance TEXT NOT NULL,
    identity TEXT NOT NULL,
    duration_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_node ON sessions(node);
CREATE TABLE tickets(
    group_name TEXT NOT NULL,
    node TEXT NOT NULL,
    number INTEGER NOT NULL,
    session TEXT NOT NULL,
    ticket TEXT NOT NULL,
    PRIMARY KEY(group_name, node)
) STRICT, WITHOUT ROWID;
CREATE TABLE timers(
    kind TEXT NOT NULL CHECK(kind IN ('cooldown', 'deadline', 'mark')),
    name TEXT NOT NULL,
    number INTEGER NOT NULL,
    node TEXT,
    started_at TEXT NOT NULL,
    duration_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    PRIMARY KEY(kind, name, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE nodes(
    node TEXT PRIMARY KEY,
    record TEXT,
    owed TEXT NOT NULL,
    duration_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE history(
    group_name TEXT NOT NULL,
    number INTEGER NOT NULL,
    entry TEXT NOT NULL,
    PRIMARY KEY(group_name, number)
) STRICT, WITHOUT ROWID;
