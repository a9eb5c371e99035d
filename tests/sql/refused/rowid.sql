-- title: a table's row as a struct
-- match: query:1:8: "o" is the whole row of a table of which _rowid is named, so that it would have _rowid in it; name its columns
SELECT o FROM "order" o WHERE o._rowid > 0
-- title: a table's row in a function
-- match: query:1:13: "captions" is the whole row of a table
SELECT hash(captions) AS h, _rowid FROM captions
-- title: COLUMNS by pattern
-- match: COLUMNS\(…\) beside _rowid could match it too
SELECT COLUMNS('.*id.*') FROM images WHERE _rowid > 4
-- title: COLUMNS by lambda
-- match: COLUMNS\(…\) beside _rowid could match it too
SELECT COLUMNS(lambda c: c LIKE '%id') FROM images WHERE _rowid > 4
-- title: USING it
-- match: query:1:\d+: _rowid is no column that USING can name; write ON a\._rowid = b\._rowid
SELECT v.id, c.text FROM videos v JOIN captions c USING (_rowid)
