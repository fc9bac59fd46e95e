-- name: study
SELECT id, frozen, frozen_at FROM studies WHERE uid = :uid

-- name: study_add
INSERT INTO studies (uid) VALUES (:uid) ON CONFLICT DO NOTHING

-- name: study_freeze
UPDATE studies SET frozen = :frozen, frozen_at = :now WHERE id = :study

-- name: study_name
INSERT INTO names (value, kind, study) VALUES (:value, :kind, :study) ON CONFLICT DO NOTHING

-- name: file_name
INSERT INTO names (value, kind, file) VALUES (:value, :kind, :file) ON CONFLICT DO NOTHING

-- name: study_key
SELECT s.uid FROM study_keys k JOIN studies s ON s.id = k.study WHERE k.key = :key

-- name: study_key_add
INSERT INTO study_keys (key, study) SELECT :key, id FROM studies WHERE uid = :uid ON CONFLICT DO NOTHING

-- name: series_add
INSERT INTO series (uid, study) VALUES (:uid, :study) ON CONFLICT DO NOTHING

-- name: series
SELECT id, number FROM series WHERE uid = :uid

-- name: instance_add
INSERT INTO instances (uid, series, sop_class) VALUES (:uid, :series, :sop_class) ON CONFLICT DO NOTHING

-- name: instance
SELECT i.id, i.number, s.id AS series, s.number AS series_number
FROM instances i JOIN series s ON s.id = i.series WHERE i.uid = :uid

-- name: series_count
UPDATE studies SET series = series + 1
WHERE id = (SELECT study FROM series WHERE id = :series)
RETURNING series AS number

-- name: series_number
UPDATE series SET number = :number WHERE id = :series

-- name: instance_count
UPDATE series SET instances = instances + 1 WHERE id = :series
RETURNING instances AS number

-- name: instance_number
UPDATE instances SET number = :number WHERE id = :instance

-- name: instance_files
SELECT e.* FROM entries e WHERE e.instance = (SELECT id FROM instances WHERE uid = :uid) ORDER BY e.id

-- name: instance_stored
SELECT e.* FROM entries e
WHERE e.instance = (SELECT id FROM instances WHERE uid = :uid)
    AND e.destination = :destination AND e.state IN ('stored', 'warning', 'changed')
ORDER BY e.id LIMIT 1

-- name: study_files
SELECT e.* FROM entries e
WHERE e.id IN (
    SELECT f.id FROM studies t
    CROSS JOIN series s ON s.study = t.id
    CROSS JOIN instances i ON i.series = s.id
    CROSS JOIN files f ON f.instance = i.id
    WHERE t.uid = :uid
)
ORDER BY e.id
