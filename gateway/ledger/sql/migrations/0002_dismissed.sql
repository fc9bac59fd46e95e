-- A person may say that what is stored is right, though it would now be sent with other attributes.

-- Of all that `wanted` has, which itself is shortened.
ALTER TABLE details ADD COLUMN wanted_digest BLOB;

-- Of what a person did not want last: it does not make the file changed again.
ALTER TABLE details ADD COLUMN dismissed BLOB;
