-- name: owner_add
INSERT INTO owners (name, host, space, number, started, joined, beat)
VALUES (:name, :host, :space, :number, :started, :now, :now)
RETURNING id

-- name: owner_beat
UPDATE owners SET beat = :now WHERE id = :owner AND gone_at IS NULL

-- name: owner_name
SELECT name FROM owners WHERE id = :owner

-- name: owners_living
SELECT * FROM owners WHERE gone_at IS NULL ORDER BY id

-- name: owner_gone
UPDATE owners SET gone_at = :now WHERE id = :owner AND gone_at IS NULL

-- name: owners
SELECT o.*, (SELECT count(*) FROM units WHERE owner = o.id) AS claims
FROM owners o WHERE :all OR gone_at IS NULL ORDER BY id DESC LIMIT 1000

-- name: next_unit
SELECT id, due FROM units
WHERE destination = :destination AND owner IS NULL AND due IS NOT NULL AND due <= :now
ORDER BY due LIMIT 1

-- name: take_files
-- Pages that wait for another one go with whatever comes to their document.
UPDATE files SET back = state, state = 'claimed'
WHERE id IN (
    SELECT id FROM files
    WHERE unit = :unit AND (due <= :now OR reason = 'missing-page') AND state IN ('ready', 'retry', 'held')
    ORDER BY due, id LIMIT :limit
)
RETURNING id

-- name: take_unit
UPDATE units SET owner = :owner, since = :now WHERE id = :unit

-- name: unit_add
INSERT INTO units (key, destination) VALUES (:key, :destination) ON CONFLICT DO NOTHING

-- name: unit_by_key
SELECT id, owner FROM units WHERE key = :key AND destination = :destination

-- name: unit
SELECT u.id, u.key, u.destination, u.owner, d.name AS destination_name
FROM units u JOIN destinations d ON d.id = u.destination WHERE u.id = :unit

-- name: units_owned
SELECT id FROM units WHERE owner = :owner

-- name: unit_of
UPDATE files SET unit = :unit WHERE id IN (SELECT value FROM json_each(:ids))

-- name: give_back
UPDATE files SET state = back, back = NULL, crashes = crashes + :crash
WHERE state = 'claimed' AND unit IN (SELECT value FROM json_each(:units))
RETURNING id

-- name: give_back_files
UPDATE files SET state = back, back = NULL, unit = :unit
WHERE state = 'claimed' AND id IN (SELECT value FROM json_each(:ids))

-- name: free_units
UPDATE units SET owner = NULL, since = NULL
WHERE id IN (SELECT value FROM json_each(:units))
    AND NOT EXISTS (SELECT 1 FROM files WHERE unit = units.id AND state = 'claimed')

-- name: drop_units
DELETE FROM units
WHERE id IN (SELECT value FROM json_each(:units))
    AND owner IS NULL AND NOT EXISTS (SELECT 1 FROM files WHERE unit = units.id)

-- name: claimed_by
SELECT f.id, f.unit FROM files f JOIN units u ON u.id = f.unit
WHERE f.id IN (SELECT value FROM json_each(:ids)) AND f.state = 'claimed' AND u.owner = :owner

-- name: sending
UPDATE files SET doubt = 1, instance = :instance WHERE id = :file

-- name: owner_living
SELECT id, name, beat FROM owners WHERE id = :owner AND gone_at IS NULL
