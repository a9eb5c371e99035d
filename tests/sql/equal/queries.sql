-- title: CTE
WITH good AS (SELECT * FROM videos WHERE motion > 1), named AS (SELECT g.*, c.text FROM good g JOIN captions c ON c.video_id = g.id) SELECT id, video, text FROM named
-- title: CTE with the name of a table
WITH videos AS (SELECT * FROM videos WHERE id < 9) SELECT id, video FROM videos
-- title: CTE with the name of another table
WITH captions AS (SELECT id AS video_id, 'none' AS text FROM videos) SELECT v.video, c.text FROM videos v JOIN captions c ON c.video_id = v.id
-- title: CTE inside a subquery only
SELECT id FROM (WITH captions AS (SELECT 2 AS id) SELECT * FROM captions) UNION ALL SELECT video_id FROM captions
-- title: CTE in two scopes
WITH a AS (SELECT id FROM videos), b AS (WITH a AS (SELECT id FROM images) SELECT id FROM a) SELECT a.id FROM a JOIN b ON a.id = b.id
-- title: materialized CTE
WITH a AS MATERIALIZED (SELECT id, video FROM videos), b AS NOT MATERIALIZED (FROM a WHERE id % 2 = 0) SELECT * FROM a WHERE id IN (SELECT id FROM b)
-- title: recursive CTE
WITH RECURSIVE chain(id, depth, video) AS (SELECT id, 0, video FROM videos WHERE id <= 2 UNION ALL SELECT v.id, depth + 1, v.video FROM chain c JOIN videos v ON v.id = c.id * 2 WHERE depth < 5) SELECT * FROM chain
-- title: recursive CTE with a key
WITH RECURSIVE t AS (SELECT 1 AS n UNION SELECT n + 1 FROM t WHERE n < 10) SELECT n, video FROM t LEFT JOIN videos ON id = n
-- title: windows
SELECT id, video, row_number() OVER (PARTITION BY category ORDER BY motion DESC, id) AS rank, lag(id, 1) OVER (ORDER BY id) AS before FROM videos
-- title: a medium through a window
SELECT id, lead(video) OVER (ORDER BY id) AS next, first_value(video) OVER (PARTITION BY category ORDER BY id) AS first FROM videos
-- title: QUALIFY
SELECT id, video FROM videos QUALIFY row_number() OVER (PARTITION BY category ORDER BY motion DESC NULLS LAST, id) = 1
-- title: named windows
SELECT id, sum(height) OVER w AS tall, count(*) OVER w AS n FROM videos WINDOW w AS (PARTITION BY category ORDER BY id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW)
-- title: UNION ALL
SELECT id, video AS medium FROM videos UNION ALL SELECT id, image FROM images UNION ALL SELECT id, thumbnail FROM images
-- title: UNION of media
SELECT video FROM videos WHERE id < 20 UNION SELECT video FROM videos WHERE id > 10
-- title: UNION BY NAME
SELECT id, video FROM videos UNION BY NAME SELECT image, id FROM images
-- title: UNION ALL BY NAME
SELECT id, video FROM videos UNION ALL BY NAME SELECT ts, id FROM images
-- title: INTERSECT
SELECT video FROM videos WHERE motion > 0 INTERSECT SELECT video FROM videos WHERE height > 500
-- title: INTERSECT ALL
SELECT category FROM videos INTERSECT ALL SELECT category FROM videos WHERE id > 10
-- title: EXCEPT
SELECT video FROM videos EXCEPT SELECT video FROM videos WHERE motion > 0
-- title: EXCEPT ALL
SELECT width FROM videos EXCEPT ALL SELECT width FROM images
-- title: set operations with parentheses
(SELECT id FROM videos EXCEPT SELECT video_id FROM captions) UNION ALL (SELECT id FROM images INTERSECT SELECT id FROM videos)
-- title: EXISTS
SELECT id, video FROM videos v WHERE EXISTS (SELECT 1 FROM captions c WHERE c.video_id = v.id AND c.score > 0.4)
-- title: NOT EXISTS
SELECT id, video FROM videos v WHERE NOT EXISTS (FROM captions c WHERE c.video_id = v.id)
-- title: IN a subquery
SELECT id, video FROM videos WHERE id IN (SELECT video_id FROM captions WHERE lang = 'en')
-- title: NOT IN a subquery with NULL
SELECT count(*) AS n FROM videos WHERE id NOT IN (SELECT video_id FROM captions)
-- title: a medium IN a subquery
SELECT id FROM videos WHERE video IN (SELECT video FROM videos WHERE motion > 2)
-- title: a row IN a subquery
SELECT id FROM videos WHERE (width, height) IN (SELECT width * 10, height * 10 FROM images) OR (id, 1) IN (SELECT video_id, 1 FROM images)
-- title: ANY and ALL
SELECT id FROM videos WHERE id >= ALL (SELECT id FROM images) OR id = ANY (SELECT video_id FROM captions WHERE score < 0)
-- title: scalar subquery
SELECT id, (SELECT max(score) FROM captions WHERE score < 2) AS most, motion > (SELECT avg(height) FROM images) AS above FROM videos
-- title: correlated scalar subquery
SELECT id, (SELECT count(*) FROM captions c WHERE c.video_id = v.id) AS n, (SELECT arg_min(image, i.id) FROM images i WHERE i.video_id = v.id) AS picture FROM videos v
-- title: correlated array
SELECT id, ARRAY(SELECT image FROM images i WHERE i.video_id = v.id ORDER BY i.id) AS pictures FROM videos v
-- title: a subquery in ORDER BY
-- keys: n
SELECT id, (SELECT count(*) FROM images i WHERE i.video_id = v.id) AS n FROM videos v ORDER BY (SELECT count(*) FROM images i WHERE i.video_id = v.id) DESC
-- title: DISTINCT
SELECT DISTINCT category, width FROM videos
-- title: DISTINCT media
SELECT DISTINCT v.video FROM videos v JOIN captions c ON c.video_id = v.id
-- title: DISTINCT with NaN, zeros and NULL
SELECT DISTINCT motion FROM videos
-- title: DISTINCT ON
SELECT DISTINCT ON (category) category, id, video FROM videos ORDER BY category, height DESC NULLS LAST, id
-- title: DISTINCT ON two
SELECT DISTINCT ON (width, category) id, video FROM videos ORDER BY width, category, id DESC
-- title: PIVOT
PIVOT (SELECT width, category, id FROM videos) ON width USING max(id) GROUP BY category
-- title: PIVOT with media
PIVOT images ON height USING arg_min(image, id) GROUP BY width
-- title: PIVOT in a subquery
SELECT p.category, p."640" AS small, v.video FROM (PIVOT (SELECT width, category, id FROM videos) ON width IN (640, 1920) USING max(id) GROUP BY category) p JOIN videos v ON v.id = p."640"
-- title: PIVOT of the standard
SELECT * FROM (SELECT category, width, id FROM videos) PIVOT (count(*) FOR width IN (640, 1280))
-- title: PIVOT in a CTE
WITH p AS (PIVOT captions ON lang IN ('en', 'de') USING count(*) GROUP BY video_id) SELECT v.id, p.en, p.de, v.video FROM videos v JOIN p ON p.video_id = v.id
-- title: UNPIVOT
UNPIVOT (SELECT id, width, height FROM videos) ON width, height INTO NAME what VALUE pixels
-- title: UNPIVOT media
UNPIVOT (SELECT id, image, thumbnail FROM images) ON image, thumbnail INTO NAME which VALUE picture
-- title: UNPIVOT of the standard
SELECT * FROM (SELECT id, width, height FROM images) UNPIVOT (pixels FOR side IN (width, height))
-- title: EXCLUDE
SELECT * EXCLUDE (video, embedding) FROM videos
-- title: EXCLUDE of a qualified star
SELECT v.* EXCLUDE video, c.text FROM videos v JOIN captions c ON c.video_id = v.id
-- title: REPLACE
SELECT * EXCLUDE (tags) REPLACE (resize(video, 64, 64) AS video, width / 2 AS width) FROM videos
-- title: RENAME
SELECT * EXCLUDE (tags) RENAME (id AS ident, video AS clip) FROM videos
-- title: star LIKE
SELECT * LIKE '%id%' FROM videos
-- title: COLUMNS by pattern
SELECT COLUMNS('.*id.*') FROM videos
-- title: COLUMNS by lambda
SELECT id, COLUMNS(lambda c: c LIKE 'h%t') * 2 FROM videos
-- title: COLUMNS in an aggregate
SELECT min(COLUMNS(['width', 'height'])) FROM images
-- title: COLUMNS unpacked
SELECT id, COALESCE(*COLUMNS('image|thumbnail')) AS picture FROM images
-- title: lambda
SELECT id, list_transform(scenes, lambda s: clip(video, s.start_seconds, s.stop_seconds)) AS clips FROM videos
-- title: list comprehension
SELECT id, [s.stop_seconds - s.start_seconds for s in scenes if s.start_seconds > 0] AS lengths FROM videos
-- title: reduce and filter
SELECT id, list_filter(tags, lambda t: t IS NOT NULL) AS some, list_reduce([1, 2, id], lambda a, b: a + b) AS total FROM videos
-- title: a struct with media
SELECT id, {'clip': video, 'size': {'w': width, 'h': height}} AS sample FROM videos
-- title: struct_pack with media and a list of media
SELECT i.id, struct_pack(pair := [i.image, i.thumbnail], id := i.id) AS sample FROM images i
-- title: a map
SELECT id, MAP {'w': width, 'h': height} AS sizes, MAP(['video'], [video]) AS media FROM videos WHERE height IS NOT NULL
-- title: a union type
SELECT id, union_value(n := id) AS u FROM images
-- title: GROUPING SETS
SELECT category, width, count(*) AS n, grouping(category, width) AS g FROM videos GROUP BY GROUPING SETS ((category, width), (category), ())
-- title: ROLLUP
SELECT category, width, max(id) AS last FROM videos GROUP BY ROLLUP (category, width)
-- title: CUBE
SELECT category, height, count(video) AS n FROM videos GROUP BY CUBE (category, height)
-- title: GROUP BY ALL
SELECT category, width > 1000 AS wide, count(*) AS n FROM videos GROUP BY ALL
-- title: GROUP BY a medium
SELECT v.video, count(c.text) AS n FROM videos v LEFT JOIN captions c ON c.video_id = v.id GROUP BY v.video
-- title: GROUP BY with HAVING
SELECT category, count(*) AS n FROM videos GROUP BY category HAVING count(*) > 3 AND max(motion) IS NOT NULL
-- title: arg_max
SELECT category, arg_max(video, id) AS last FROM videos GROUP BY category
-- title: arg_max of three
SELECT category, arg_max(video, id, 3) AS last FROM videos GROUP BY category
-- title: list in order
SELECT video_id, list(image ORDER BY id) AS pictures, list(id ORDER BY id) AS ids FROM images GROUP BY video_id
-- title: list with a filter
SELECT category, list(video ORDER BY id) FILTER (WHERE motion > 1) AS lively FROM videos GROUP BY category
-- title: first in order
SELECT category, first(video ORDER BY id) AS first, last(id ORDER BY id) AS last FROM videos GROUP BY category
-- title: min and max of media
SELECT category, min(video) AS low, max(video) AS high FROM videos GROUP BY category
-- title: any_value of what is the same
SELECT video_id, any_value(video_id) AS same, count(DISTINCT text) AS n FROM captions GROUP BY video_id
-- title: mode, quantiles and text
SELECT count(*) AS n, median(height) AS middle, string_agg(category, ',' ORDER BY id) AS names, bool_or(width > 1000) AS wide FROM videos
-- title: histogram
SELECT histogram(width) AS widths FROM videos
-- title: aggregates of nothing
SELECT count(*) AS n, max(id) AS most, list(video) AS media FROM nothing
