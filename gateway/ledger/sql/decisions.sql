-- name: again
UPDATE files SET
    state = 'ready', back = NULL, since = :now, finished_at = NULL, attempts = 0, checks = 0, crashes = 0,
    reason = NULL, text = NULL, original = NULL, revision = revision + :revision
WHERE id IN (SELECT value FROM json_each(:ids)) AND state IN (SELECT value FROM json_each(:before)) AND current
    AND path IS NOT NULL
RETURNING id

-- name: assign
INSERT INTO details (file, assigned, assigned_study)
SELECT value, :assigned, :study FROM json_each(:ids) WHERE true
ON CONFLICT DO UPDATE SET
    assigned = json_patch(ifnull(assigned, '{}'), excluded.assigned),
    assigned_study = ifnull(excluded.assigned_study, assigned_study)

-- name: changes
SELECT f.id, d.attributes, d.wanted, d.wanted_digest
FROM files f LEFT JOIN details d ON d.file = f.id
WHERE f.id IN (SELECT value FROM json_each(:ids)) AND f.state = 'changed' AND f.current

-- name: dismiss
UPDATE details SET wanted = NULL, wanted_digest = NULL, dismissed = :digest WHERE file = :file
