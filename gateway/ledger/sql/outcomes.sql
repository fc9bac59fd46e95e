-- name: claimed
SELECT back, reason, since, attempts, checks FROM files WHERE id = :file

-- name: record
UPDATE files SET
    state = :state, back = NULL, since = :since, due = :due, finished_at = :finished_at,
    unit = CASE WHEN :waits THEN unit END, instance = ifnull(:instance, instance),
    attempts = :attempts, checks = :checks, doubt = :doubt, sent = sent + :sent,
    seconds = ifnull(:seconds, seconds), reason = :reason, text = :text, digest = ifnull(:digest, digest),
    format = ifnull(:format, format), template = ifnull(:template, template),
    attributes_digest = ifnull(:attributes_digest, attributes_digest),
    original = CASE WHEN :original_due THEN 'due' ELSE original END
WHERE id = :file

-- name: detail
INSERT INTO details (file, retrieve_url, messages, answer, attributes)
VALUES (:file, :retrieve_url, :messages, :answer, :attributes)
ON CONFLICT DO UPDATE SET
    retrieve_url = ifnull(excluded.retrieve_url, retrieve_url), messages = excluded.messages,
    answer = ifnull(excluded.answer, answer), attributes = ifnull(excluded.attributes, attributes),
    wanted = NULL, wanted_digest = NULL, dismissed = NULL

-- name: stored_attributes
SELECT f.state, f.attributes_digest, d.attributes, d.dismissed
FROM files f LEFT JOIN details d ON d.file = f.id WHERE f.id = :file

-- name: differs
UPDATE files SET
    back = CASE state WHEN 'changed' THEN back ELSE state END,
    since = CASE state WHEN 'changed' THEN since ELSE :now END,
    state = 'changed', text = :text
WHERE id = :file

-- name: wanted
INSERT INTO details (file, wanted, wanted_digest) VALUES (:file, :wanted, :digest)
ON CONFLICT DO UPDATE SET wanted = excluded.wanted, wanted_digest = excluded.wanted_digest

-- name: agrees
UPDATE files SET state = back, back = NULL, since = :now, text = NULL WHERE id = :file
