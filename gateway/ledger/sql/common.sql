-- name: meta
SELECT value FROM meta WHERE key = :key

-- name: meta_set
INSERT INTO meta (key, value) VALUES (:key, :value) ON CONFLICT DO NOTHING

-- name: meta_delete
DELETE FROM meta WHERE key = :key

-- name: folder
SELECT id FROM folders WHERE name = :name

-- name: folder_add
INSERT INTO folders (name) VALUES (:name) ON CONFLICT DO NOTHING

-- name: destination
SELECT id FROM destinations WHERE name = :name

-- name: destination_add
INSERT INTO destinations (name) VALUES (:name) ON CONFLICT DO NOTHING

-- name: event_add
INSERT INTO events (at, who, what, file, text) VALUES (:at, :who, :what, :file, :text)

-- name: hour_add
INSERT INTO hours (hour, folder, destination, state, files, size)
SELECT :hour, folder, destination, :state, count(*), sum(size)
FROM files WHERE id IN (SELECT value FROM json_each(:ids)) GROUP BY folder, destination
ON CONFLICT DO UPDATE SET files = files + excluded.files, size = size + excluded.size

-- name: entries_of
SELECT * FROM entries WHERE id IN (SELECT value FROM json_each(:ids)) ORDER BY id

-- name: details_forget
DELETE FROM details WHERE file IN (SELECT value FROM json_each(:ids))

-- name: names_forget
DELETE FROM names WHERE file IN (SELECT value FROM json_each(:ids))

-- name: depends_forget
DELETE FROM depends WHERE file IN (SELECT value FROM json_each(:ids))
