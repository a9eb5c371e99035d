-- title: a column and an expression
-- columns: id = videos.id; area = videos.width videos.height
SELECT id, width * height AS area FROM videos
-- title: no column
-- columns: one =; n =
SELECT 1 AS one, count(*) AS n FROM videos
-- title: a filter
-- columns: id = videos.id
-- clauses: WHERE = videos.motion
SELECT id FROM videos WHERE motion > 1
-- title: a join by WHERE
-- columns: width = images.width
-- clauses: WHERE = videos.id images.id
SELECT i.width FROM videos v, images i WHERE v.id = i.id
-- title: FROM alone
-- columns: id = order.id; Where = order.Where
FROM "order"
-- title: a star without a column
-- columns: Where = order.Where
SELECT * EXCLUDE (id) FROM "order"
-- title: a star with another
-- columns: id = order.id; Where = order.id
SELECT * REPLACE (id + 1 AS "Where") FROM "order"
-- title: a star with a new name
-- columns: key = order.id; Where = order.Where
SELECT * RENAME (id AS key) FROM "order"
-- title: stars of tables
-- columns: id = order.id; Where = order.Where; text = captions.text
SELECT o.*, c.text FROM "order" o, captions c
-- title: a CTE
-- columns: y = videos.id
WITH a AS (SELECT id AS x FROM videos) SELECT x + 1 AS y FROM a
-- title: a CTE with names
-- columns: x = videos.id
-- clauses: ORDER BY = videos.id
WITH a(x) AS (SELECT id FROM videos) SELECT x FROM a ORDER BY x
-- title: a CTE over its table
-- columns: id = videos.motion
WITH videos AS (SELECT motion AS id FROM videos) SELECT id FROM videos
-- title: a recursive CTE
-- columns: id = videos.id types.k
-- clauses: UNION = videos.id types.k
WITH RECURSIVE r AS (SELECT id FROM videos UNION SELECT id + k FROM r, types) SELECT id FROM r
-- title: a subquery
-- columns: a = videos.id
SELECT s.a FROM (SELECT id AS a, motion AS b FROM videos) s
-- title: a union by place
-- columns: id = videos.id images.ts; width = videos.width images.id
SELECT id, width FROM videos UNION ALL SELECT ts, id FROM images
-- title: a union by name
-- columns: id = videos.id images.id; width = videos.width images.width
SELECT id, width FROM videos UNION ALL BY NAME SELECT width, id FROM images
-- title: EXCEPT
-- columns: id = videos.id
-- clauses: EXCEPT = videos.id captions.video_id
SELECT id FROM videos EXCEPT SELECT video_id FROM captions
-- title: USING
-- columns: id = videos.id; motion = videos.motion
-- clauses: JOIN = videos.id order.id
SELECT id, motion FROM videos JOIN "order" USING (id)
-- title: USING of the right side
-- columns: id = order.id
-- clauses: JOIN = videos.id order.id
SELECT id FROM videos RIGHT JOIN "order" USING (id)
-- title: USING of both sides
-- columns: id = videos.id order.id
-- clauses: JOIN = videos.id order.id
SELECT id FROM videos FULL JOIN "order" USING (id)
-- title: NATURAL
-- columns: video_id = captions.video_id; text = captions.text
-- clauses: JOIN = captions.video_id images.video_id
SELECT video_id, text FROM captions NATURAL JOIN (SELECT video_id FROM images)
-- title: SEMI JOIN
-- columns: id = order.id; Where = order.Where
-- clauses: JOIN = order.id videos.motion
SELECT * FROM "order" SEMI JOIN videos ON motion = "order".id
-- title: UNNEST in FROM
-- columns: a = videos.scenes
SELECT u.s.start_seconds AS a FROM videos v, UNNEST(v.scenes) AS u(s)
-- title: UNNEST in the list
-- columns: tag = videos.tags; id = videos.id
SELECT unnest(tags) AS tag, id FROM videos
-- title: fields of a struct
-- columns: f = videos.info; c = videos.info
SELECT info.fps AS f, v.info.codec AS c FROM videos v
-- title: an alias beside it
-- columns: a = videos.id; b = videos.id videos.motion
SELECT id + 1 AS a, a * motion AS b FROM videos
-- title: an alias that is also a column
-- columns: id = videos.motion
-- clauses: WHERE = videos.id; ORDER BY = videos.motion
SELECT motion AS id FROM videos WHERE id > 3 ORDER BY id
-- title: GROUP BY ALL
-- columns: w = videos.width; m = videos.id
-- clauses: GROUP BY = videos.width
SELECT width AS w, max(id) AS m FROM videos GROUP BY ALL
-- title: GROUP BY ALL with an aggregate of DuckDB's
-- columns: c = videos.category; h = videos.id
-- clauses: GROUP BY = videos.category
SELECT category AS c, histogram(id) AS h FROM videos GROUP BY ALL
-- title: ordinals and aliases
-- columns: width = videos.width; m = videos.id
-- clauses: GROUP BY = videos.width; HAVING = videos.id
SELECT width, max(id) AS m FROM videos GROUP BY 1 HAVING m > 3
-- title: a scalar subquery
-- columns: id = videos.id; s = captions.score
-- clauses: WHERE = captions.video_id videos.id
SELECT id, (SELECT max(score) FROM captions c WHERE c.video_id = v.id) AS s FROM videos v
-- title: EXISTS
-- columns: id = videos.id
-- clauses: WHERE = captions.video_id videos.width
SELECT id FROM videos v WHERE EXISTS (SELECT lang FROM captions WHERE video_id = v.width)
-- title: a named window
-- columns: t = videos.motion videos.category videos.id
SELECT sum(motion) OVER w AS t FROM videos WINDOW w AS (PARTITION BY category ORDER BY id)
-- title: a lambda
-- columns: l = videos.tags videos.category
SELECT list_transform(tags, lambda id: id || category) AS l FROM videos
-- title: a chain of calls
-- columns: c = videos.video videos.duration_seconds videos.width
SELECT video.clip(0, duration_seconds).resize(width, 64) AS c FROM videos
-- title: a call in a call
-- columns: c = videos.video videos.width videos.id
SELECT clip(video, 0, 1).crop(0, 0, width, id) AS c FROM videos
-- title: macros
-- columns: s = videos.id; b = videos.width
SELECT split(id, 'val', 0.1) AS s, frame_bucket(width) AS b FROM videos
-- title: a whole row
-- columns: v = videos.id videos.motion
SELECT v FROM (SELECT id, motion FROM videos) v
-- title: row ids
-- columns: r = videos._rowid; m = videos.motion
SELECT _rowid AS r, motion AS m FROM videos
-- title: COLUMNS by a pattern
-- columns: id = videos.id; width = videos.width
SELECT COLUMNS('w.*|id$') FROM videos
-- title: VALUES
-- columns: x =; y =
SELECT x, y FROM (VALUES (1, 2), (3, 4)) AS t(x, y)
-- title: DISTINCT ON
-- columns: id = videos.id
-- clauses: DISTINCT ON = videos.category; ORDER BY = videos.category videos.motion
SELECT DISTINCT ON (category) id FROM videos ORDER BY category, motion
-- title: a view of a view
-- columns: clip = videos.video
-- clauses: WHERE = videos.height
SELECT clip FROM "clips/short"
-- title: a join in parentheses
-- columns: id = videos.id; text = captions.text
-- clauses: JOIN = captions.video_id videos.id
SELECT v.id, text FROM (videos v JOIN captions c ON c.video_id = v.id)
-- title: brackets around texts
-- columns: a = videos.category; b = videos.id
-- clauses: WHERE = videos.motion
SELECT ('' || category) AS a, ('select' || id) AS b FROM videos WHERE (('' || 'x') IS NOT NULL) AND motion > 0
