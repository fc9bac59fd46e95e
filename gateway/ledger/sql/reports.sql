-- name: counts
SELECT f.name AS folder, d.name AS destination, t.state, t.files, t.size
FROM tallies t JOIN folders f ON f.id = t.folder JOIN destinations d ON d.id = t.destination
WHERE t.files > 0 ORDER BY f.name, d.name, t.state

-- name: oldest
SELECT f.name AS folder, d.name AS destination, t.state,
    (SELECT since FROM files
        WHERE folder = t.folder AND destination = t.destination AND state = t.state
            AND state IN ('seen', 'settling', 'ready', 'claimed', 'retry', 'held')
        ORDER BY since LIMIT 1) AS since
FROM tallies t JOIN folders f ON f.id = t.folder JOIN destinations d ON d.id = t.destination
WHERE t.files > 0 AND t.state IN ('seen', 'settling', 'ready', 'claimed', 'retry', 'held')
ORDER BY f.name, d.name, t.state

-- name: reasons
SELECT reason, count(*) AS files FROM files WHERE state = :state AND current GROUP BY reason ORDER BY 2 DESC, 1

-- name: outcomes
SELECT format, template, state, reason,
    count(*) AS files, sum(size) AS size, total(seconds) AS seconds
FROM files WHERE current GROUP BY format, template, state, reason ORDER BY format, template, state, reason

-- name: hours
SELECT h.hour, f.name AS folder, d.name AS destination, h.state, h.files, h.size
FROM hours h JOIN folders f ON f.id = h.folder JOIN destinations d ON d.id = h.destination
WHERE h.hour >= :since AND h.hour <= :until ORDER BY h.hour, f.name, d.name, h.state

-- name: page
SELECT * FROM entries
WHERE id > :after AND (:replaced OR current)
    AND (:folder IS NULL OR folder = :folder) AND (:destination IS NULL OR destination = :destination)
    AND (:reason IS NULL OR reason = :reason) AND (:before IS NULL OR since < :before)
ORDER BY id LIMIT :limit

-- name: page_of_state
SELECT * FROM entries
WHERE state = :state AND id > :after AND (:replaced OR current)
    AND (:folder IS NULL OR +folder = :folder) AND (:destination IS NULL OR +destination = :destination)
    AND (:reason IS NULL OR reason = :reason) AND (:before IS NULL OR +since < :before)
ORDER BY id LIMIT :limit

-- name: page_of_ids
SELECT * FROM entries
WHERE id IN (SELECT value FROM json_each(:ids)) AND id > :after AND (:replaced OR current)
    AND (:state IS NULL OR state = :state)
    AND (:folder IS NULL OR +folder = :folder) AND (:destination IS NULL OR +destination = :destination)
    AND (:reason IS NULL OR reason = :reason) AND (:before IS NULL OR +since < :before)
ORDER BY id LIMIT :limit

-- name: detail_of
SELECT * FROM details WHERE file = :file

-- name: depends_of
SELECT d.path FROM depends JOIN dependencies d ON d.id = depends.dependency
WHERE depends.file = :file ORDER BY d.path

-- name: events_of
SELECT * FROM events WHERE file = :file ORDER BY id

-- name: events
SELECT * FROM events WHERE id > :after ORDER BY id LIMIT :limit

-- name: find_uid
SELECT f.id FROM instances i JOIN files f ON f.instance = i.id WHERE i.uid = :text
UNION
SELECT f.id FROM series s JOIN instances i ON i.series = s.id JOIN files f ON f.instance = i.id
WHERE s.uid = :text
UNION
SELECT f.id FROM studies t JOIN series s ON s.study = t.id JOIN instances i ON i.series = s.id
    JOIN files f ON f.instance = i.id
WHERE t.uid = :text
ORDER BY 1 LIMIT :limit

-- name: find_named
SELECT f.id FROM names n
    CROSS JOIN series s ON s.study = n.study
    CROSS JOIN instances i ON i.series = s.id
    CROSS JOIN files f ON f.instance = i.id
WHERE n.value >= :text AND n.value < :end
UNION ALL
SELECT n.file FROM names n WHERE n.value >= :text AND n.value < :end AND n.file IS NOT NULL
LIMIT :limit

-- name: find_file
SELECT id FROM files WHERE name >= :text AND name < :end ORDER BY name LIMIT :limit

-- name: find_path
SELECT f.id FROM folders CROSS JOIN files f ON f.folder = folders.id AND f.path = :path ORDER BY f.id LIMIT :limit
