-- title: no index
-- pushed: none
SELECT id FROM videos WHERE height = 720
-- title: no condition
-- pushed: none
SELECT id FROM videos
-- title: an index that leaves little out
-- pushed: none
SELECT id FROM videos WHERE width <> 720 AND NOT (width = 480) AND category IS NOT NULL AND width NOT IN (3)
-- title: OR with a side without an index
-- pushed: none
SELECT id FROM videos WHERE width = 720 OR height = 480
-- title: OR over two tables
-- pushed: none
SELECT v.id FROM videos v, images i WHERE v.width = 720 OR i.video_id = 1
-- title: expressions
-- wide: videos
-- pushed: none
SELECT id FROM videos WHERE width * height > 9 AND lower(category) = 'film' AND width = height AND width::BIGINT = 3
-- title: a function that may fail
-- wide: videos
-- pushed: none
SELECT id FROM videos WHERE width / 0 > 1 OR width = 720
-- title: numbers of another kind
-- wide: videos
-- pushed: none
SELECT id FROM videos WHERE width = 3000000000 AND width = 7.0 AND id = '7' AND width < 1e3
-- title: NULL
-- wide: videos
-- pushed: none
SELECT id FROM videos WHERE width = NULL AND width IN (1, NULL)
-- title: decimals that do not fit
-- wide: videos
-- pushed: none
SELECT id FROM videos WHERE price = 1.505 AND price < 99999999.5 AND price > 1e2
-- title: too many digits
-- wide: videos
-- pushed: none
SELECT id FROM videos WHERE score > 0.1234567890123456789
-- title: dates that are none
-- wide: videos
-- pushed: none
SELECT id FROM videos WHERE day = '2024-1-1' AND day = TIMESTAMP '2024-01-01 12:00:00' AND created < '2024-01-01 12:00:00+01' AND created > 'infinity'
-- title: dates and texts in one list
-- wide: videos
-- pushed: none
SELECT id FROM videos WHERE created IN [DATE '2024-01-01', '2024-01-01 12:00:00']
-- title: IS DISTINCT FROM
-- wide: videos
-- pushed: none
SELECT id FROM videos WHERE width IS DISTINCT FROM 720
-- title: IS TRUE and IS FALSE
-- wide: videos
-- pushed: none
SELECT id FROM videos WHERE flag IS TRUE AND flag IS NOT FALSE
-- title: LIKE with escapes and without case
-- wide: videos
-- pushed: none
SELECT id FROM videos WHERE title LIKE 'a\%' AND title LIKE 'a!%' ESCAPE '!' AND title ILIKE 'a%' AND title GLOB 'a*'
-- title: LIKE that no index answers
-- pushed: none
SELECT id FROM videos WHERE title LIKE '%cat%' AND caption LIKE '%ca%' AND category LIKE 'f%'
-- title: a collation
-- wide: videos
-- pushed: none
SELECT id FROM videos WHERE title = 'a' COLLATE NOCASE
-- title: media
-- wide: videos
-- pushed: none
SELECT id FROM videos WHERE video IS NOT NULL
-- title: row ids
-- wide: videos
-- pushed: none
SELECT id FROM videos WHERE _rowid = 3
-- title: a field of a struct
-- wide: videos
-- pushed: none
SELECT id FROM videos WHERE info.width = 3
-- title: a method
-- wide: videos
-- pushed: none
SELECT id FROM videos WHERE title.contains('cat')
-- title: the side that is filled up
-- pushed: none
SELECT v.id FROM images i LEFT JOIN videos v ON v.id = i.video_id AND v.width = 720 WHERE v.width = 720 OR v.width IS NULL
-- title: ON of a LEFT JOIN
-- pushed: none
SELECT v.id FROM videos v LEFT JOIN images i ON i.video_id = v.id AND v.width = 720 AND i.video_id < 9
-- title: a FULL JOIN
-- pushed: none
SELECT v.id FROM videos v FULL JOIN images i ON i.video_id = v.id WHERE v.width = 720 AND i.video_id < 9
-- title: a RIGHT JOIN later
-- pushed: none
SELECT v.id FROM videos v JOIN images i ON i.video_id = v.id RIGHT JOIN numbers n ON n.id = v.id WHERE v.width = 720
-- title: the row that an ASOF JOIN picks
-- pushed: none
SELECT v.id FROM images i ASOF JOIN videos v ON i.id >= v.id WHERE v.width = 720
-- title: a positional join
-- pushed: none
SELECT v.id FROM videos v POSITIONAL JOIN images i WHERE v.width = 720
-- title: what USING merges
-- pushed: none
SELECT id FROM videos JOIN images USING (id) WHERE id = 3
-- title: a natural join
-- pushed: none
SELECT id FROM videos NATURAL JOIN images WHERE video_id = 3
-- title: a name of two tables
-- pushed: none
SELECT 1 FROM videos a, videos b WHERE width = 720
-- title: a row outside
-- pushed: none
SELECT v.id FROM videos v WHERE EXISTS (FROM images i WHERE v.width = 720)
-- title: outside of a subquery
-- pushed: none
SELECT id FROM (SELECT id, width FROM videos) AS x WHERE x.width = 720
-- title: a view
-- pushed: none
SELECT id FROM hd WHERE width = 720
-- title: a CTE of the name
-- pushed: none
WITH videos AS (SELECT 1 AS id, 2 AS width) SELECT id FROM videos WHERE width = 720
-- title: a sample
-- pushed: none
SELECT id FROM videos TABLESAMPLE 10% WHERE width = 720
-- title: a sample of the query
-- pushed: none
SELECT id FROM videos WHERE width = 720 USING SAMPLE 3
-- title: a version
-- pushed: none
SELECT id FROM videos AT (VERSION => 3) WHERE width = 720
-- title: other names
-- pushed: none
SELECT id FROM videos AS v(id, height, width) WHERE width = 720
-- title: a recursive CTE
-- pushed: none
WITH RECURSIVE r AS (SELECT id FROM videos WHERE width = 720 UNION SELECT id + 1 FROM r WHERE id < 9) FROM r
-- title: HAVING and QUALIFY
-- pushed: none
SELECT width, count(*) FROM videos GROUP BY width HAVING width = 720 QUALIFY width = 720
