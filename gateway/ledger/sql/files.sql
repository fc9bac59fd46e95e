-- name: sighted_table
CREATE TEMP TABLE IF NOT EXISTS sighted (
    id INTEGER PRIMARY KEY, path BLOB, name TEXT, size INTEGER, modified_ns INTEGER, inode INTEGER
)

-- name: sighted_clear
DELETE FROM sighted

-- name: sighted_add
INSERT INTO sighted VALUES (:id, :path, :name, :size, :modified_ns, :inode)

-- name: sighted_news
SELECT s.id
FROM sighted s LEFT JOIN files f
    ON f.folder = :folder AND f.path = s.path AND f.destination = :destination AND f.current
WHERE f.id IS NULL
    OR f.state = 'skipped' AND f.reason = 'vanished'
    OR f.state <> 'claimed'
        AND (f.size, f.modified_ns, f.inode) IS NOT (s.size, s.modified_ns, s.inode)

-- name: see_again
WITH found AS MATERIALIZED (
    SELECT f.id, s.size, s.modified_ns, s.inode
    FROM sighted s CROSS JOIN files f
        ON f.folder = :folder AND f.path = s.path AND f.destination = :destination AND f.current
    WHERE f.state = 'skipped' AND f.reason = 'vanished'
        OR f.state IN ('seen', 'settling', 'ready', 'retry', 'held')
            AND (f.size, f.modified_ns, f.inode) IS NOT (s.size, s.modified_ns, s.inode)
)
UPDATE files SET
    state = 'seen', back = NULL, since = :now, due = NULL, unit = NULL, instance = NULL, finished_at = NULL,
    attempts = 0, checks = 0, crashes = 0, doubt = 0, revision = 0, original = NULL,
    reason = NULL, text = NULL, digest = NULL, attributes_digest = NULL, format = NULL, template = NULL,
    size = found.size, modified_ns = found.modified_ns, inode = found.inode
FROM found WHERE files.id = found.id
RETURNING files.id

-- name: see_replaced
UPDATE files SET current = 0, original = NULL
WHERE id IN (
    SELECT f.id
    FROM sighted s CROSS JOIN files f
        ON f.folder = :folder AND f.path = s.path AND f.destination = :destination AND f.current
    WHERE f.state IN ('stored', 'warning', 'duplicate', 'rejected', 'changed', 'refused', 'skipped')
        AND (f.size, f.modified_ns, f.inode) IS NOT (s.size, s.modified_ns, s.inode)
)

-- name: see_new
INSERT INTO files
    (folder, path, name, destination, generation, state, since, seen_at, size, modified_ns, inode)
SELECT :folder, s.path, s.name, :destination,
    1 + ifnull((SELECT max(generation) FROM files
        WHERE folder = :folder AND path = s.path AND destination = :destination), 0),
    'seen', :now, :now, s.size, s.modified_ns, s.inode
FROM sighted s
WHERE NOT EXISTS (SELECT 1 FROM files
    WHERE folder = :folder AND path = s.path AND destination = :destination AND current)
ORDER BY s.id
RETURNING id

-- name: learn
UPDATE files SET
    digest = ifnull(:digest, digest), format = ifnull(:format, format), template = ifnull(:template, template)
WHERE id = :file AND state NOT IN ('claimed', 'stored', 'warning', 'duplicate')

-- name: move
UPDATE files SET
    since = CASE WHEN state = :state THEN since ELSE :now END,
    state = :state, due = NULL, reason = :reason, text = :text,
    finished_at = CASE WHEN :finished THEN :now END, unit = CASE WHEN :finished THEN NULL ELSE unit END
WHERE id IN (SELECT value FROM json_each(:ids)) AND state IN (SELECT value FROM json_each(:before))
RETURNING id

-- name: ready_unit
INSERT INTO units (key, destination)
SELECT :key, destination FROM files
WHERE id = :file AND state IN (SELECT value FROM json_each(:before))
ON CONFLICT DO NOTHING

-- name: ready
UPDATE files SET
    state = 'ready', since = :now, due = :due, reason = NULL, text = NULL,
    unit = (SELECT id FROM units WHERE key = :key AND destination = files.destination)
WHERE id = :file AND state IN (SELECT value FROM json_each(:before))

-- name: queue_units
INSERT INTO units (key, destination)
SELECT ifnull('study:' || study_uid, 'file:' || id), destination FROM entries
WHERE id IN (SELECT value FROM json_each(:ids)) AND unit IS NULL
ON CONFLICT DO NOTHING

-- name: queue
UPDATE files SET
    due = :due,
    unit = ifnull(unit, (SELECT units.id FROM entries e
        JOIN units ON units.key = ifnull('study:' || e.study_uid, 'file:' || e.id)
            AND units.destination = e.destination
        WHERE e.id = files.id))
WHERE id IN (SELECT value FROM json_each(:ids))

-- name: vanished
SELECT id FROM files
WHERE folder = :folder AND path IN (SELECT path FROM sighted) AND current
    AND state IN ('seen', 'settling', 'ready', 'retry', 'held')

-- name: by_path
SELECT e.* FROM entries e
WHERE folder = :folder AND path = :path ORDER BY destination, generation

-- name: depend
INSERT INTO depends (dependency, file, stamp)
SELECT id, :file, :stamp FROM dependencies WHERE path = :path

-- name: dependency_add
INSERT INTO dependencies (path) VALUES (:path) ON CONFLICT DO NOTHING

-- name: dependencies
SELECT id, path FROM dependencies d
WHERE id > :after AND EXISTS (SELECT 1 FROM depends WHERE dependency = d.id) ORDER BY id LIMIT :limit

-- name: touched
SELECT f.id FROM depends
JOIN dependencies d ON d.id = depends.dependency
JOIN files f ON f.id = depends.file
WHERE d.path = :path AND depends.stamp IS NOT :stamp AND f.current
    AND f.state IN (SELECT value FROM json_each(:states))
ORDER BY f.id LIMIT :limit

-- name: touched_now
UPDATE depends SET stamp = :stamp
WHERE dependency = (SELECT id FROM dependencies WHERE path = :path)
    AND file IN (SELECT value FROM json_each(:ids))

-- name: due_now
UPDATE files SET due = :now WHERE id IN (SELECT value FROM json_each(:ids)) AND state = 'held'

-- name: recheck
UPDATE files SET due = :now WHERE folder = :folder AND state = 'held' AND current AND due > :now

-- name: originals_due
SELECT DISTINCT path FROM files
WHERE folder = :folder AND original = 'due'
    AND NOT EXISTS (SELECT 1 FROM files other
        WHERE other.folder = files.folder AND other.path = files.path AND other.current
            AND other.state IN ('seen', 'settling', 'ready', 'claimed', 'retry', 'held'))
LIMIT :limit

-- name: originals_done
UPDATE files SET original = 'done'
WHERE id IN (SELECT value FROM json_each(:ids)) AND original = 'due'
RETURNING id

-- name: original_due
UPDATE files SET original = 'due' WHERE id IN (SELECT value FROM json_each(:ids)) AND path IS NOT NULL

-- name: folders_of
SELECT id, folder FROM files WHERE id IN (SELECT value FROM json_each(:ids))
