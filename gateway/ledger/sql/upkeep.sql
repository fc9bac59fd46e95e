-- name: purge_page
-- Nobody moves or deletes the originals of an import.
SELECT id FROM files
WHERE id > :after AND path IS NOT NULL AND finished_at < :before
    AND +state IN ('stored', 'warning', 'duplicate', 'rejected', 'refused', 'skipped')
    AND (original IS NOT 'due'
        OR EXISTS (SELECT 1 FROM folders d CROSS JOIN meta m ON m.key = :prefix || d.name
            WHERE d.id = files.folder))
ORDER BY id LIMIT :limit

-- name: purge_files
UPDATE files SET path = NULL, name = NULL, text = NULL
WHERE id IN (SELECT value FROM json_each(:ids))

-- name: purge_events
UPDATE events SET text = NULL
WHERE file IN (SELECT value FROM json_each(:ids)) AND text IS NOT NULL

-- name: purge_studies
SELECT id FROM studies t
WHERE frozen IS NOT NULL AND frozen_at < :before AND id > :after
    AND NOT EXISTS (
        SELECT 1 FROM series s
        CROSS JOIN instances i ON i.series = s.id
        CROSS JOIN files f ON f.instance = i.id
        WHERE s.study = t.id AND f.path IS NOT NULL
    )
    AND NOT EXISTS (SELECT 1 FROM units WHERE key = 'study:' || t.uid)
ORDER BY id LIMIT :limit

-- name: purge_frozen
UPDATE studies SET frozen = NULL, frozen_at = NULL WHERE id IN (SELECT value FROM json_each(:ids))

-- name: purge_names
DELETE FROM names WHERE study IN (SELECT value FROM json_each(:ids))

-- name: purge_dependencies
DELETE FROM dependencies WHERE NOT EXISTS (SELECT 1 FROM depends WHERE dependency = dependencies.id)

-- name: purge_owners
DELETE FROM owners
WHERE gone_at < :before AND NOT EXISTS (SELECT 1 FROM units WHERE owner = owners.id)
