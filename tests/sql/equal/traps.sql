-- title: a join filter below a LIMIT
SELECT t.id, c.text FROM (SELECT id FROM videos ORDER BY id LIMIT 12) t JOIN captions c ON c.video_id = t.id WHERE c.lang = 'en'
-- title: a join filter below a LIMIT that is downwards
SELECT t.id, i.id AS image_id FROM (SELECT id, video FROM videos ORDER BY motion DESC NULLS LAST, id LIMIT 9) t JOIN images i ON i.video_id = t.id WHERE i.video_id BETWEEN 2 AND 9
-- title: a join filter below OFFSET
SELECT t.id, c.text FROM (SELECT id FROM videos ORDER BY id DESC OFFSET 30) t JOIN captions c ON c.video_id = t.id
-- title: a constant that a join carries below a LIMIT
SELECT t.id, v.video FROM (SELECT id FROM videos ORDER BY id LIMIT 10) t JOIN videos v ON v.id = t.id WHERE v.id > 5
-- title: a LIMIT on both sides of a join
SELECT a.id, b.video_id FROM (SELECT id FROM videos ORDER BY id LIMIT 8) a JOIN (SELECT video_id, score FROM captions ORDER BY ALL LIMIT 15) b ON a.id = b.video_id
-- title: a LIMIT on the far side of a LEFT JOIN
SELECT v.id, t.image FROM videos v LEFT JOIN (SELECT video_id, image FROM images ORDER BY id LIMIT 7) t ON t.video_id = v.id WHERE v.id < 20
-- title: a filter above a LIMIT
SELECT id, video FROM (SELECT id, video, motion FROM videos ORDER BY motion NULLS FIRST, id LIMIT 18) WHERE motion > 0
-- title: a filter above a LIMIT, by row id
SELECT id FROM (SELECT id, _rowid AS r FROM videos ORDER BY id DESC LIMIT 14) WHERE r % 2 = 0
-- title: a LIMIT of a LIMIT
SELECT id FROM (SELECT id, category FROM videos ORDER BY category NULLS LAST, id LIMIT 15) ORDER BY id DESC LIMIT 5
-- title: top of a view
SELECT id, video FROM hd ORDER BY motion DESC NULLS LAST, id LIMIT 6
-- title: top of a view above a LIMIT
SELECT id, clip FROM (FROM "clips/short" ORDER BY id LIMIT 9) WHERE motion IS NOT NULL ORDER BY id DESC LIMIT 3
-- title: top of a join of a view with a LIMIT
SELECT t.id, c.text FROM (FROM hd ORDER BY id LIMIT 9) t JOIN captions c ON c.video_id = t.id ORDER BY t.id DESC, c.text NULLS FIRST, c._rowid LIMIT 4
-- title: top of a UNION ALL of tops
SELECT * FROM (SELECT id, video AS m FROM videos ORDER BY id DESC LIMIT 5) UNION ALL SELECT * FROM (SELECT id, image FROM images ORDER BY id DESC LIMIT 5) ORDER BY id, m LIMIT 6
-- title: a filter on a column that is no key of the window
SELECT id, n FROM (SELECT id, category, row_number() OVER (PARTITION BY category ORDER BY id) AS n FROM videos) WHERE id > 20
-- title: a filter on the key of the window
SELECT id, n FROM (SELECT id, category, row_number() OVER (PARTITION BY category ORDER BY id) AS n FROM videos) WHERE category = 'film'
-- title: a filter on one of two windows' keys
SELECT id FROM (SELECT id, category, width, rank() OVER (PARTITION BY category ORDER BY id) AS a, rank() OVER (PARTITION BY width ORDER BY id) AS b FROM videos) WHERE category = 'film' AND width > 700 AND a <> b
-- title: a filter below QUALIFY and one above it
SELECT id FROM (SELECT id, category, motion FROM videos WHERE id > 5 QUALIFY row_number() OVER (PARTITION BY category ORDER BY motion DESC NULLS LAST, id) = 1) WHERE motion > 2
-- title: a join with QUALIFY on its left
SELECT t.id, c.text FROM (SELECT id FROM videos QUALIFY row_number() OVER (PARTITION BY category ORDER BY id DESC) <= 2) t JOIN captions c ON c.video_id = t.id
-- title: the rows before one that a filter drops
SELECT id, before FROM (SELECT id, lag(id) OVER (ORDER BY id) AS before FROM videos) WHERE id % 5 = 0
-- title: a filter above UNNEST
SELECT id, tag FROM (SELECT id, unnest(tags) AS tag FROM videos) WHERE tag = 'b' AND id < 30
-- title: a filter above UNNEST that asks for NULL
SELECT id, tag FROM (SELECT id, unnest(tags) AS tag FROM videos) WHERE tag IS NULL
-- title: a filter beside UNNEST in FROM
SELECT v.id, u.s FROM videos v LEFT JOIN UNNEST(v.scenes) AS u(s) ON true WHERE u.s IS NULL OR u.s.start_seconds > 0
-- title: a filter above DISTINCT ON
SELECT id, category FROM (SELECT DISTINCT ON (category) id, category, width FROM videos ORDER BY category, id DESC) WHERE width > 1000
-- title: a filter on the key of DISTINCT ON
SELECT id, category FROM (SELECT DISTINCT ON (category) id, category FROM videos ORDER BY category, id DESC) WHERE category IN ('film', 'sport')
-- title: a filter above GROUP BY
SELECT category, n FROM (SELECT category, count(*) AS n, max(id) AS last FROM videos GROUP BY category) WHERE category > 'film' AND last > 30
-- title: a filter above ROLLUP, where NULL is no category
SELECT category, n FROM (SELECT category, count(*) AS n, grouping(category) AS g FROM videos GROUP BY ROLLUP (category)) WHERE category IS NULL AND g = 1
-- title: a correlated subquery with a LIMIT
SELECT v.id, (SELECT c.text FROM captions c WHERE c.video_id = v.id ORDER BY c.text NULLS LAST, c._rowid LIMIT 1) AS text FROM videos v
-- title: a correlated subquery with LIMIT and OFFSET
SELECT v.id, (SELECT i.image FROM images i WHERE i.video_id <= v.id ORDER BY i.id DESC LIMIT 1 OFFSET 2) AS picture FROM videos v
-- title: a lateral top of each row
SELECT v.id, t.id AS image_id, t.image FROM videos v, LATERAL (SELECT i.id, i.image FROM images i WHERE i.video_id = v.id ORDER BY i.id DESC LIMIT 2) t
-- title: a lateral top of each row, with rows that have none
SELECT v.id, t.id AS image_id FROM videos v LEFT JOIN LATERAL (SELECT i.id FROM images i WHERE i.video_id = v.id ORDER BY i.id OFFSET 1) t ON true
-- title: a correlated count of nothing is 0
SELECT v.id FROM videos v WHERE (SELECT count(*) FROM images i WHERE i.video_id = v.id AND i.width > v.id * 10) = 0
-- title: a correlated sum of nothing is NULL
SELECT v.id, (SELECT sum(i.width) FROM images i WHERE i.video_id = v.id AND i.id > 12) AS total FROM videos v WHERE v.id < 15
-- title: IN with NULL on both sides
SELECT id, category IN (SELECT lang FROM captions UNION ALL SELECT 'film') AS found FROM videos
-- title: NOT IN with NULL is never true, but of nothing always
SELECT id, id NOT IN (SELECT video_id FROM captions WHERE lang IS NULL) AS a, id NOT IN (SELECT id FROM nothing) AS b FROM videos
-- title: a correlated NOT IN with NULL
SELECT v.id FROM videos v WHERE v.height NOT IN (SELECT i.width * 10 FROM images i WHERE i.video_id = v.id)
-- title: ALL and ANY of nothing and of NULL
SELECT id, motion > ALL (SELECT score FROM captions WHERE score > 9) AS a, motion > ANY (SELECT score FROM captions WHERE video_id = id) AS b FROM videos
-- title: a semi-join on a LIMIT
SELECT id, video FROM videos WHERE id IN (SELECT video_id FROM captions WHERE video_id IS NOT NULL ORDER BY video_id, _rowid LIMIT 8)
-- title: an anti-join on a LIMIT
SELECT id, video FROM videos v WHERE NOT EXISTS (FROM (SELECT video_id FROM images WHERE video_id > 0 ORDER BY id LIMIT 9) t WHERE t.video_id = v.id)
-- title: SEMI JOIN below a LIMIT
SELECT id FROM (SELECT id FROM videos ORDER BY id LIMIT 20) t SEMI JOIN (SELECT video_id FROM captions ORDER BY ALL DESC LIMIT 20) c ON c.video_id = t.id
-- title: top of many columns
SELECT * FROM videos ORDER BY motion DESC NULLS LAST, id LIMIT 5
-- title: top of many columns, with a filter
SELECT * FROM types WHERE i8 IS NOT NULL ORDER BY f64 DESC, k LIMIT 5 OFFSET 3
-- title: top of many columns, by row id
SELECT *, _rowid AS r FROM videos WHERE height > 400 ORDER BY _rowid DESC LIMIT 5
-- oracle:
SELECT *, rowid AS r FROM videos WHERE height > 400 ORDER BY rowid DESC LIMIT 5
-- title: top of a table with itself
SELECT a.id, b.id AS other, a.video FROM videos a JOIN videos b ON a.width = b.width ORDER BY a.id, b.id DESC LIMIT 7
-- title: a CTE that is used twice
WITH t AS (SELECT id, category, row_number() OVER (ORDER BY motion DESC NULLS LAST, id) AS n FROM videos) SELECT a.id, b.id AS next FROM t a JOIN t b ON b.n = a.n + 1 WHERE a.category = 'film'
-- title: a CTE with a LIMIT that is used twice
WITH t AS NOT MATERIALIZED (SELECT id, video FROM videos ORDER BY id DESC LIMIT 9) SELECT id, video FROM t WHERE id > 36 UNION ALL SELECT id, video FROM t WHERE id < 36
-- title: a filter on a materialized CTE
WITH t AS MATERIALIZED (SELECT id, video, width FROM videos ORDER BY id LIMIT 20) SELECT a.id, a.video FROM t a WHERE a.width > (SELECT avg(width) FROM t) AND a.id IN (SELECT id FROM t WHERE id % 2 = 0)
-- title: an outer join that a filter makes an inner one
SELECT v.id, i.image FROM videos v LEFT JOIN images i ON i.video_id = v.id WHERE i.width > 64
-- title: an outer join that a filter does not make an inner one
SELECT v.id, i.image FROM videos v LEFT JOIN images i ON i.video_id = v.id WHERE COALESCE(i.width, 999) > 128
-- title: a filter in ON and one in WHERE
SELECT v.id, c.text FROM videos v FULL JOIN captions c ON c.video_id = v.id AND v.motion > 1 WHERE v.id IS NULL OR c.text IS NULL
-- title: filters below set operations
SELECT id FROM (SELECT id, video FROM videos EXCEPT SELECT id, video FROM videos WHERE motion > 1) WHERE id < 20
-- title: a filter on a constant of one branch
SELECT id, m FROM (SELECT id, video AS m, 'v' AS kind FROM videos UNION ALL SELECT id, image, 'i' FROM images) WHERE kind = 'i' AND id > 10
-- title: NaN and zeros as keys of a filter that a join makes
SELECT v.id, t.f64 FROM videos v JOIN (SELECT f64 FROM types WHERE k < 9) t ON t.f64 = v.motion WHERE v.id < 20
-- title: a join on text with a filter on one side
SELECT v.id, x.lang FROM videos v JOIN (SELECT 'film' AS lang UNION ALL SELECT lang FROM captions) x ON x.lang = v.category WHERE x.lang >= 'f'
-- title: a star beside the row id of a SEMI JOIN
SELECT * FROM images SEMI JOIN "order" o ON o._rowid = images.id
-- title: a join in brackets that starts with UNNEST
-- bug: sqlglot cannot parse it, so a query that DuckDB accepts is refused
SELECT v.id, u.n FROM videos v JOIN (UNNEST([1, 2, 3]) AS u(n) JOIN range(3) AS r(m) ON r.m = u.n) ON u.n = v.id
-- title: a row id in a chain of two calls
SELECT id, v.video.clip(0.5, 1 + v._rowid).crop(0, 0, 4, 4) AS part FROM videos v
-- title: a slice of a column that has the name of a type
-- bug: sqlglot cannot parse text[:2], so a query that DuckDB accepts is refused
SELECT text[:2] AS start FROM captions
-- title: FROM first with a join to VALUES
-- bug: sqlglot cannot parse FROM (VALUES …) JOIN … SELECT …, so a query that DuckDB accepts is refused
FROM (VALUES (1, 'one'), (2, 'two')) AS t(n, word) JOIN videos v ON v.id = t.n SELECT v.id, t.word
-- title: FROM first with a join to UNNEST
-- bug: sqlglot cannot parse FROM UNNEST(…) JOIN … SELECT …, so a query that DuckDB accepts is refused
FROM UNNEST([1, 2]) AS t(n) JOIN videos v ON v.id = t.n SELECT v.id, t.n
