-- name: import_keep
INSERT INTO meta (key, value) VALUES (:key, :value) ON CONFLICT DO UPDATE SET value = excluded.value

-- name: imports
SELECT substr(key, length(:prefix) + 1) AS name FROM meta
WHERE key >= :prefix AND key < :prefix || char(1114111) ORDER BY key

-- name: purge_imports
DELETE FROM meta
WHERE key >= :prefix AND key < :prefix || char(1114111) AND NOT EXISTS (
    SELECT 1 FROM folders d CROSS JOIN files f ON f.folder = d.id AND f.path IS NOT NULL
    WHERE d.name = substr(key, length(:prefix) + 1)
)
