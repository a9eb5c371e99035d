-- title: in the list
SELECT _rowid, id, video FROM videos
-- title: in WHERE
SELECT id, video FROM videos WHERE _rowid BETWEEN 3 AND 12
-- title: in WHERE with a star
SELECT * FROM images WHERE _rowid > 3
-- title: a star without it
SELECT _rowid, * FROM images
-- title: a qualified star
SELECT v._rowid, v.*, c.text FROM videos v JOIN captions c ON c.video_id = v.id
-- title: EXCLUDE beside it
SELECT _rowid, * EXCLUDE (image) FROM images
-- title: EXCLUDE without parentheses
SELECT _rowid, * EXCLUDE image FROM images
-- title: REPLACE beside it
SELECT _rowid, * REPLACE (id + 1 AS id) FROM images
-- title: RENAME beside it
SELECT _rowid, * RENAME (id AS ident) FROM images
-- title: star LIKE beside it
SELECT id, * LIKE 'w%' FROM images WHERE _rowid > 2
-- title: FROM first
FROM images WHERE _rowid < 7
-- title: FROM first with a list
FROM images SELECT _rowid, * WHERE _rowid < 7
-- title: as a join key
SELECT v.id, c.text FROM videos v JOIN captions c ON c.video_id = v._rowid
-- title: of two tables
SELECT v._rowid AS a, c._rowid AS b, v.id FROM videos v JOIN captions c ON c._rowid = v._rowid
-- title: of a table with itself
SELECT a._rowid, b.id FROM videos a JOIN videos b ON a._rowid + 1 = b._rowid
-- title: star over two tables, one with it
SELECT * FROM "order" o JOIN captions c ON o.id = c._rowid
-- title: by the name of the table
SELECT videos._rowid, videos.id FROM videos
-- title: quoted and in capitals
SELECT "_rowid", id FROM Videos WHERE _ROWID > 3
-- title: a table whose name is a keyword
SELECT _rowid, * FROM "order"
-- title: in a subquery
SELECT id FROM videos WHERE id IN (SELECT _rowid FROM captions WHERE lang = 'en')
-- title: correlated
SELECT id, (SELECT count(*) FROM captions c WHERE c.video_id = v._rowid) AS n FROM videos v
-- title: correlated in EXISTS with a star
SELECT id, video FROM videos v WHERE EXISTS (SELECT * FROM captions WHERE video_id = v._rowid)
-- title: correlated, both sides
SELECT id FROM videos v WHERE EXISTS (FROM captions c WHERE c._rowid = v._rowid + 1 AND c.lang = 'en')
-- title: in a derived table
SELECT * FROM (SELECT _rowid AS row_id, * FROM images) WHERE row_id > 5
-- title: under its own name in a derived table
SELECT * FROM (SELECT _rowid, id FROM images) WHERE _rowid > 5
-- oracle:
SELECT * FROM (SELECT rowid AS _rowid, id FROM images) WHERE _rowid > 5
-- title: in a CTE
WITH a AS (SELECT _rowid AS r, id FROM images) SELECT r, a.id, v.video FROM a JOIN videos v ON v._rowid = a.r
-- title: under its own name in a CTE
WITH a AS (SELECT _rowid, id FROM images) SELECT * FROM a WHERE _rowid > 5
-- oracle:
WITH a AS (SELECT rowid AS _rowid, id FROM images) SELECT * FROM a WHERE _rowid > 5
-- title: a star over a table and a derived table that shows it
SELECT * FROM "order" o JOIN (SELECT _rowid, lang FROM captions) c ON o._rowid = c._rowid
-- oracle:
SELECT o.*, c.* FROM "order" o JOIN (SELECT rowid AS _rowid, lang FROM captions) c ON o.rowid = c._rowid
-- title: a column of that name beside a star
SELECT *, id AS _rowid FROM images ORDER BY _rowid DESC
-- oracle:
SELECT *, id AS _rowid FROM images ORDER BY _rowid DESC
-- title: in ORDER BY
SELECT id, video FROM videos ORDER BY _rowid DESC
-- title: in ORDER BY with a star
SELECT * FROM images ORDER BY _rowid DESC LIMIT 5
-- title: in a window
SELECT id, row_number() OVER (ORDER BY _rowid DESC) AS n FROM videos
-- title: in QUALIFY
SELECT id FROM videos QUALIFY row_number() OVER (PARTITION BY category ORDER BY _rowid) = 1
-- title: in GROUP BY
SELECT _rowid % 3 AS part, count(*) AS n FROM videos GROUP BY _rowid % 3
-- title: in GROUP BY ALL
SELECT _rowid // 10 AS part, count(*) AS n, max(_rowid) AS last FROM videos GROUP BY ALL
-- title: in an aggregate
SELECT category, arg_max(video, _rowid) AS last FROM videos GROUP BY category
-- title: in HAVING
SELECT category FROM videos GROUP BY category HAVING max(_rowid) > 35
-- title: in DISTINCT ON
SELECT DISTINCT ON (category) category, id FROM videos ORDER BY category, _rowid DESC
-- title: beside count(*)
SELECT count(*) AS n FROM videos WHERE _rowid > 7
-- title: in a lateral join
SELECT v.id, x.text FROM videos v, LATERAL (SELECT text FROM captions c WHERE c._rowid = v._rowid) x
-- title: in a set operation
SELECT _rowid AS r, video AS m FROM videos UNION ALL SELECT _rowid, image FROM images ORDER BY r, m
-- title: in the second half of a set operation
SELECT * FROM "order" UNION ALL SELECT id, lang FROM videos JOIN captions ON videos._rowid = captions._rowid
-- title: an alias with names of columns
SELECT o.a, o.b, o._rowid FROM "order" AS o(a, b)
-- title: COLUMNS by star
SELECT COLUMNS(*) FROM images WHERE _rowid > 4
-- title: COLUMNS without some
SELECT COLUMNS(* EXCLUDE (image)) FROM images WHERE _rowid > 4
-- title: count of COLUMNS
SELECT count(COLUMNS(*)) FROM "order" WHERE _rowid > 0
-- title: USING another column
SELECT * FROM "order" JOIN (SELECT id, video FROM videos WHERE _rowid < 9) USING (id)
-- title: parenthesised join
SELECT v.id, c.text FROM (videos v JOIN captions c ON v._rowid = c._rowid) WHERE v.id > 2
-- title: FROM first after a derived table
FROM (SELECT id AS x FROM images) s JOIN "order" o ON o._rowid = s.x
-- oracle:
SELECT s.*, o.* FROM (SELECT id AS x FROM images) s JOIN "order" o ON o.rowid = s.x
-- title: FROM first in a subquery
SELECT id FROM (FROM images WHERE _rowid < 9) WHERE id IN (FROM (SELECT _rowid FROM videos))
-- title: FROM first after a CTE
WITH a AS (SELECT id FROM videos) FROM "order" WHERE _rowid < (SELECT count(*) FROM a)
-- title: FROM first with EXISTS before it
SELECT id FROM videos v WHERE EXISTS (FROM captions WHERE _rowid = v.id)
-- title: in a view
SELECT * EXCLUDE (video) FROM with_ids
-- title: a view and its table
SELECT w.row_id, v._rowid, v.id FROM with_ids w JOIN videos v ON v._rowid = w.row_id + 1
-- title: twice in the same SELECT
SELECT _rowid AS a, _rowid + 1 AS b FROM images WHERE _rowid % 2 = 0
-- title: in a struct
SELECT {'r': _rowid, 'id': id} AS s FROM images
-- title: in CASE and COALESCE
SELECT CASE WHEN _rowid > 5 THEN id ELSE COALESCE(width, _rowid) END AS n FROM images
-- title: from the far side of a LEFT JOIN
SELECT v.id, i._rowid FROM videos v LEFT JOIN images i ON i.video_id = v.id
-- title: stars of all tables
SELECT o.*, c.* EXCLUDE (score) FROM "order" o, captions c WHERE o._rowid = c._rowid
-- title: a star of another table
SELECT c.* FROM "order" o, captions c WHERE o._rowid = c.video_id
-- title: in a list and a lambda
SELECT id, list_transform([1, 2], lambda x: x + _rowid) AS l FROM images
-- title: a recursive walk
WITH RECURSIVE walk AS (SELECT _rowid AS r FROM images WHERE _rowid = 1 UNION ALL SELECT i._rowid FROM walk JOIN images i ON i._rowid = walk.r * 2) SELECT r FROM walk
-- title: in text only
SELECT id, '_rowid' AS word /* _rowid */ FROM images -- _rowid
-- oracle:
SELECT id, '_row' || 'id' AS word FROM images
-- title: PIVOT by it
PIVOT (SELECT lang, _rowid AS r FROM captions) ON lang IN ('en') USING max(r)
-- title: with a sample of everything
SELECT _rowid, * FROM images TABLESAMPLE 100% (bernoulli)
-- title: PIVOT of a table that shows it
SELECT * FROM (PIVOT (SELECT _rowid AS r, lang FROM captions) ON lang IN ('en', 'de') USING count(*)) WHERE en > 0
