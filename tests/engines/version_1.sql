-- A database of version 1, as the last server that wrote it left it. Made by that server: its rooms are
-- lobby, lab, Küche and secret (password: pssst); its users Alice (open sesame) and bob (hunter2).
BEGIN;
CREATE TABLE log (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    created  INTEGER NOT NULL               -- milliseconds since 1970
);
CREATE TABLE room (
    log      INTEGER PRIMARY KEY REFERENCES log(id),
    key      TEXT NOT NULL UNIQUE,          -- names.key(name)
    name     TEXT NOT NULL,
    topic    TEXT NOT NULL DEFAULT '',
    password TEXT                           -- argon2id, or NULL
);
CREATE TABLE account (
    key      TEXT PRIMARY KEY,              -- names.key(name)
    name     TEXT NOT NULL,
    password TEXT NOT NULL,                 -- argon2id
    inbox    INTEGER NOT NULL REFERENCES log(id),
    shown    INTEGER NOT NULL DEFAULT 0     -- how far the inbox was read
);
CREATE TABLE block (
    id       INTEGER PRIMARY KEY,
    log      INTEGER NOT NULL,
    first    INTEGER NOT NULL,
    last     INTEGER NOT NULL,
    entries  BLOB NOT NULL
);
CREATE INDEX block_place ON block (log, last);
CREATE TABLE said (
    log      INTEGER NOT NULL,
    who      TEXT NOT NULL,                 -- names.key
    key      TEXT NOT NULL,
    position INTEGER NOT NULL,
    time     INTEGER NOT NULL,
    PRIMARY KEY (log, who, key)
) WITHOUT ROWID;
CREATE INDEX said_time ON said (time);
CREATE TABLE file (
    shelf    TEXT NOT NULL,
    name     TEXT NOT NULL,
    size     INTEGER NOT NULL,
    mtime    INTEGER NOT NULL,              -- nanoseconds
    sha256   TEXT NOT NULL,
    who      TEXT NOT NULL,                 -- empty: the operator
    time     INTEGER NOT NULL,
    PRIMARY KEY (shelf, name)
) WITHOUT ROWID;
INSERT INTO log VALUES (1, 1795247111387);
INSERT INTO log VALUES (2, 1795247111388);
INSERT INTO log VALUES (3, 1795247111388);
INSERT INTO log VALUES (4, 1795247111511);
INSERT INTO log VALUES (5, 1795247111614);
INSERT INTO log VALUES (6, 1795247111724);
INSERT INTO room VALUES (1, 'lobby', 'lobby', '', NULL);
INSERT INTO room VALUES (2, 'lab', 'lab', 'measuring ½ of it', NULL);
INSERT INTO room VALUES (3, 'küche', 'Küche', '', NULL);
INSERT INTO room VALUES (6, 'secret', 'secret', '', '$argon2id$v=19$m=65536,t=3,p=4$aKZGFbB/Sy5Zag9drLGluw$SKNTMHb8BL3ajUrdrSmIehnXwFXBMIy39D4yqAalWvc');
INSERT INTO account VALUES ('alice', 'Alice', '$argon2id$v=19$m=65536,t=3,p=4$uCeSp0DK5lZf8BEWGJYCUw$rgY06pjMhab0VzDGtn9ztlIqwTvZLWgwVuXWUxgGfTA', 4, 1);
INSERT INTO account VALUES ('bob', 'bob', '$argon2id$v=19$m=65536,t=3,p=4$c13kyufCGyAluE2DEejC0w$4FPHReZHWsjRLF2bgd4ZLdw5TI2NQ7Fg28fLmErfSlw', 5, 1);
INSERT INTO block VALUES (1, 2, 1, 1, CAST('[["topic",1795247111620,"Alice","measuring ½ of it",null]]' AS BLOB));
INSERT INTO block VALUES (2, 6, 1, 1, CAST('[["message",1795247111726,"Alice","nobody else hears this",null]]' AS BLOB));
INSERT INTO block VALUES (3, 2, 2, 2, CAST('[["message",1795247111727,"bot","build failed",null]]' AS BLOB));
INSERT INTO block VALUES (4, 2, 3, 3, CAST('[["message",1795247111728,"bot","two\nlines, \"quoted\"\tand tabbed",null]]' AS BLOB));
INSERT INTO block VALUES (5, 2, 4, 4, CAST('[["action",1795247111729,"bot","waves 👋🏽",null]]' AS BLOB));
INSERT INTO block VALUES (6, 2, 5, 10, CAST('[["message",1795247111730,"bot","bot 0",null],["message",1795247111730,"Alice","Alice 0",null],["message",1795247111730,"Alice","Alice 1",null],["message",1795247111730,"Alice","Alice 2",null],["message",1795247111730,"Alice","Alice 3",null],["message",1795247111730,"Alice","Alice 4",null]]' AS BLOB));
INSERT INTO block VALUES (7, 2, 11, 14, CAST('[["message",1795247111731,"bot","bot 1",null],["message",1795247111731,"bot","bot 2",null],["message",1795247111731,"bot","bot 3",null],["message",1795247111731,"bot","bot 4",null]]' AS BLOB));
INSERT INTO block VALUES (8, 3, 1, 14, CAST('[["message",1795247111733,"carol","Zeile 0: 日本語, עברית, é",null],["message",1795247111733,"carol","Zeile 1: 日本語, עברית, é",null],["message",1795247111733,"carol","Zeile 2: 日本語, עברית, é",null],["message",1795247111733,"carol","Zeile 3: 日本語, עברית, é",null],["message",1795247111733,"carol","Zeile 4: 日本語, עברית, é",null],["message",1795247111733,"carol","Zeile 5: 日本語, עברית, é",null],["message",1795247111733,"carol","Zeile 6: 日本語, עברית, é",null],["message",1795247111733,"carol","Zeile 7: 日本語, עברית, é",null],["message",1795247111733,"carol","Zeile 8: 日本語, עברית, é",null],["message",1795247111733,"carol","Zeile 9: 日本語, עברית, é",null],["message",1795247111733,"carol","Zeile 10: 日本語, עברית, é",null],["message",1795247111733,"carol","Zeile 11: 日本語, עברית, é",null],["action",1795247111733,"carol","cooks",null],["message",1795247111733,"carol","/ a slash",null]]' AS BLOB));
INSERT INTO block VALUES (9, 2, 15, 15, CAST('[["file",1795247111840,"dave","",["notes.txt",6,"5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"]]]' AS BLOB));
INSERT INTO block VALUES (10, 2, 16, 16, CAST('[["file",1795247111945,"dave","",["''nail.txt",3,"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"]]]' AS BLOB));
INSERT INTO block VALUES (11, 2, 17, 17, CAST('[["removed",1795247111949,"dave","''nail.txt",null]]' AS BLOB));
INSERT INTO block VALUES (12, 5, 1, 1, CAST('[["private",1795247111952,"Alice","seen by bob",null]]' AS BLOB));
INSERT INTO block VALUES (13, 5, 2, 2, CAST('[["private",1795247112255,"Alice","while you were away",null]]' AS BLOB));
INSERT INTO block VALUES (14, 5, 3, 3, CAST('[["private",1795247112256,"bot","and\nin two lines",null]]' AS BLOB));
INSERT INTO block VALUES (15, -4, 1, 1, CAST('[["private",1795247112257,"Alice","to a guest",null]]' AS BLOB));
INSERT INTO block VALUES (16, 4, 1, 1, CAST('[["private",1795247112259,"bot","hello Alice",null]]' AS BLOB));
INSERT INTO block VALUES (17, 1, 1, 1, CAST('[["message",1795247112260,"Alice","the last word",null]]' AS BLOB));
INSERT INTO block VALUES (18, 1, 2, 2, CAST('[["file",1795247112264,"Alice","",["a b.bin",4,"88d4266fd4e6338d13b845fcf289579d209c897823b9217da3e161936f031589"]]]' AS BLOB));
INSERT INTO said VALUES (1, 'alice', 'last', 1, 1795247112260);
INSERT INTO said VALUES (2, 'bot', '5f0c9a1e', 2, 1795247111727);
INSERT INTO said VALUES (2, 'bot', '77aa', 3, 1795247111728);
INSERT INTO said VALUES (2, 'bot', 'k0', 5, 1795247111730);
INSERT INTO said VALUES (2, 'bot', 'k1', 11, 1795247111731);
INSERT INTO said VALUES (2, 'bot', 'k2', 12, 1795247111731);
INSERT INTO said VALUES (2, 'bot', 'k3', 13, 1795247111731);
INSERT INTO said VALUES (2, 'bot', 'k4', 14, 1795247111731);
INSERT INTO said VALUES (2, 'bot', 'me-1', 4, 1795247111729);
INSERT INTO said VALUES (5, 'alice', 'p1', 1, 1795247111952);
INSERT INTO said VALUES (5, 'alice', 'p2', 2, 1795247112255);
INSERT INTO file VALUES ('', 'a b.bin', 4, 1795247112262327056, '88d4266fd4e6338d13b845fcf289579d209c897823b9217da3e161936f031589', 'Alice', 1795247112262);
INSERT INTO file VALUES ('', 'dropped.bin', 3, 1795247111949815856, 'ae4b3280e56e2faf83f414a6e3dabe9d5fbe18976544c05fed121accb85b53fc', '', 1795247111949);
INSERT INTO file VALUES ('lab', 'notes.txt', 6, 1795247111837461247, '5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03', 'dave', 1795247111837);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES ('log', 6);
PRAGMA user_version = 1;
COMMIT;
