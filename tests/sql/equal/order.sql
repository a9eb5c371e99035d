-- title: by a number
SELECT id, video FROM videos ORDER BY id DESC
-- title: by two, the second breaks ties
SELECT id, category, motion FROM videos ORDER BY category NULLS FIRST, motion DESC NULLS LAST, id
-- title: ties
-- keys: category
SELECT category, id, video FROM videos ORDER BY category DESC
-- title: ties of a hidden key
SELECT id FROM videos ORDER BY category NULLS FIRST, id
-- title: nulls last
-- keys: height, motion
SELECT height, motion FROM videos ORDER BY height ASC NULLS LAST, motion DESC NULLS FIRST
-- title: collation
SELECT text, video_id FROM captions ORDER BY text COLLATE NOCASE NULLS FIRST, text, video_id NULLS FIRST
-- title: by position and alias
SELECT id + 1 AS more, video FROM videos ORDER BY 1 DESC
-- title: by an expression
SELECT id, video FROM videos ORDER BY id % 5, -id
-- title: by a medium
SELECT video FROM videos ORDER BY video NULLS LAST
-- title: by a medium, downwards
SELECT id, video FROM videos WHERE video IS NOT NULL ORDER BY video DESC
-- title: by media of several columns
SELECT image AS medium FROM images UNION ALL SELECT video FROM videos UNION ALL SELECT thumbnail FROM images ORDER BY medium NULLS FIRST
-- title: ORDER BY ALL
SELECT category, motion, id FROM videos ORDER BY ALL
-- title: ORDER BY ALL DESC
SELECT category, id FROM videos ORDER BY ALL DESC NULLS LAST
-- title: LIMIT
SELECT id, video FROM videos ORDER BY id LIMIT 7
-- title: LIMIT and OFFSET
SELECT id, video FROM videos ORDER BY motion DESC NULLS LAST, id LIMIT 7 OFFSET 3
-- title: LIMIT in percent
SELECT id FROM videos ORDER BY id LIMIT 20%
-- title: LIMIT by a subquery
SELECT id FROM videos ORDER BY id LIMIT (SELECT count(*) // 2 FROM images)
-- title: FETCH
SELECT id FROM videos ORDER BY id OFFSET 2 ROWS FETCH FIRST 4 ROWS ONLY
-- title: a sample of everything
SELECT id, video FROM videos USING SAMPLE 100 PERCENT (bernoulli)
-- title: a set operation
SELECT id FROM videos UNION SELECT id + 100 FROM images ORDER BY id DESC LIMIT 30
-- title: a parenthesised query
(SELECT id, video FROM videos ORDER BY id DESC)
-- title: a parenthesised query with an order outside
(SELECT id, video FROM videos WHERE id > 3) ORDER BY id LIMIT 5
-- title: two pairs of parentheses
((SELECT id FROM videos ORDER BY id DESC LIMIT 5))
-- title: limit outside of an order
(SELECT id FROM videos ORDER BY id DESC) LIMIT 5
-- title: an order inside and another outside
(SELECT id FROM videos ORDER BY id DESC LIMIT 5) ORDER BY id
-- title: an order in a subquery only
SELECT id FROM (SELECT id FROM videos ORDER BY id DESC LIMIT 5)
-- title: an order in a CTE
WITH top AS (SELECT id, video FROM videos ORDER BY id DESC LIMIT 5) FROM top
-- title: an order in a CTE and outside
WITH top AS (SELECT id, video FROM videos ORDER BY id DESC LIMIT 5) FROM top ORDER BY id
-- title: an order in a window only
SELECT id, row_number() OVER (ORDER BY id DESC) AS back FROM videos
-- title: an order in an aggregate only
SELECT width, list(id ORDER BY id DESC) AS ids FROM videos GROUP BY width
-- title: an order of groups
SELECT category, count(*) AS n FROM videos GROUP BY category ORDER BY n DESC, category NULLS LAST
-- title: an order by an aggregate that is not shown
SELECT category FROM videos GROUP BY category ORDER BY max(id) DESC
-- title: DISTINCT with an order
SELECT DISTINCT width FROM videos ORDER BY width NULLS FIRST
-- title: FROM first with an order
FROM videos SELECT id WHERE id > 4 ORDER BY id DESC
-- title: VALUES with an order
SELECT * FROM (VALUES (3, 'c'), (1, 'a'), (2, NULL)) t(n, w) ORDER BY w NULLS FIRST
-- title: top of each group, in order
SELECT category, id, video FROM videos QUALIFY row_number() OVER (PARTITION BY category ORDER BY id) <= 2 ORDER BY category NULLS FIRST, id
-- title: NaN and infinity in order
-- keys: motion
SELECT motion FROM videos ORDER BY motion
-- title: NaN and infinity downwards
-- keys: motion
SELECT motion FROM videos ORDER BY motion DESC NULLS FIRST
-- title: lists and structs in order
-- keys: tags, info
SELECT tags, info FROM videos ORDER BY tags NULLS FIRST, info NULLS LAST
-- title: PIVOT with an order
-- bug: sqlglot cannot parse ORDER BY after a PIVOT statement, so a query that DuckDB accepts is refused
PIVOT captions ON lang IN ('en', 'de') USING count(*) GROUP BY video_id ORDER BY video_id NULLS FIRST
-- title: an order, then a comment
SELECT id FROM videos ORDER BY id DESC -- the last first
-- title: brackets before the order
SELECT id, [x for x in [3, 1, 2] if x > 1][1] AS n, {'a': [id]} AS s FROM videos ORDER BY s DESC
