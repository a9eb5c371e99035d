-- title: a comparison
-- pushed: videos: `width` >= 720
SELECT id FROM videos WHERE width >= 720
-- title: sides changed
-- pushed: videos: `width` > 720
SELECT id FROM videos WHERE 720 < width
-- title: names in another case
-- pushed: videos: `width` = 720
SELECT id FROM Videos AS V WHERE v.WIDTH = 720
-- title: a quoted name
-- pushed: videos: `Odd Name` = 1
SELECT id FROM videos WHERE "odd name" = 1
-- title: a schema
-- pushed: videos: `width` = 720
SELECT id FROM main.videos WHERE videos.width = 720
-- title: FROM first
-- pushed: videos: `width` = 720
FROM videos WHERE width = 720
-- title: only what an index answers
-- pushed: videos: `width` = 720
SELECT id FROM videos WHERE width = 720 AND height = 480
-- title: everything beside a wide column
-- wide: videos
-- pushed: videos: `width` = 720 AND `height` = 480 AND `caption` LIKE '%a%'
SELECT embedding FROM videos WHERE width = 720 AND height = 480 AND caption LIKE '%a%' AND height * width > 9
-- title: parentheses
-- pushed: videos: `width` = 720 AND `category` IN ('film', 'it''s')
SELECT id FROM videos WHERE ((width = (720)) AND (height > 1 AND category IN ('film', 'it''s')))
-- title: OR of indexes
-- pushed: videos: (`width` = 720 OR `category` IS NULL)
SELECT id FROM videos WHERE width = 720 OR category IS NULL
-- title: AND in OR
-- pushed: videos: ((`width` = 720 AND `height` = 480) OR `category` = 'film')
SELECT id FROM videos WHERE (width = 720 AND height = 480) OR category = 'film'
-- title: BETWEEN
-- pushed: videos: `score` BETWEEN -1.5 AND 2.0
SELECT id FROM videos WHERE score BETWEEN -1.5 AND 2
-- title: text
-- pushed: videos: `category` > 'a\b'
SELECT id FROM videos WHERE category > 'a\b'
-- title: a flag
-- pushed: videos: `flag`
SELECT id FROM videos WHERE flag
-- title: a flag compared
-- pushed: videos: `flag` = false
SELECT id FROM videos WHERE flag = false
-- title: a decimal
-- pushed: videos: `price` >= CAST('1.5' AS DECIMAL(9, 2))
SELECT id FROM videos WHERE price >= 1.5
-- title: a date
-- pushed: videos: `day` >= DATE '2024-01-01' AND `day` < DATE '2024-02-01'
SELECT id FROM videos WHERE day >= '2024-01-01' AND day < DATE '2024-02-01'
-- title: a time stamp
-- pushed: videos: `created` >= TIMESTAMP '2024-01-01 00:00:00' AND `created` < TIMESTAMP '2024-02-01 10:00:00.5'
SELECT id FROM videos WHERE created >= '2024-01-01' AND created < TIMESTAMP '2024-02-01 10:00:00.5'
-- title: the start of a text
-- pushed: videos: `title` LIKE 'The %' AND starts_with(`title`, 'The')
SELECT id FROM videos WHERE title LIKE 'The %' AND title ^@ 'The'
-- title: a part of a text
-- pushed: videos: `caption` LIKE '%cat%' AND contains(`caption`, 'Cat')
SELECT id FROM videos WHERE caption LIKE '%cat%' AND contains(caption, 'Cat')
-- title: labels
-- pushed: videos: array_has(`tags`, 'a') AND array_has_any(`tags`, ['a', 'b']) AND array_has_all(`tags`, ['c'])
SELECT id FROM videos WHERE list_contains(tags, 'a') AND list_has_any(tags, ['a', 'b']) AND list_has_all(tags, ['c'])
-- title: NOT beside a wide column
-- wide: videos
-- pushed: videos: `width` <> 720 AND `height` <> 480 AND `category` IS NOT NULL AND NOT array_has(`tags`, 'a') AND NOT `flag`
SELECT id FROM videos WHERE NOT width = 720 AND height <> 480 AND category IS NOT NULL AND NOT list_has(tags, 'a') AND NOT flag
-- title: NOT goes inwards
-- pushed: videos: (`width` < 720 AND (`category` = 'film' OR `width` BETWEEN 1 AND 2))
SELECT id FROM videos WHERE NOT (width >= 720 OR NOT (category = 'film' OR width BETWEEN 1 AND 2))
-- title: NOT of operators beside a wide column
-- wide: videos
-- pushed: videos: ((`height` NOT IN (1) OR `height` NOT BETWEEN 1 AND 2) OR `title` NOT LIKE 'a%')
SELECT id FROM videos WHERE NOT (height IN (1) AND height BETWEEN 1 AND 2 AND title LIKE 'a%')
-- title: an inner join
-- pushed: videos: `width` = 720; images: `video_id` < 9
SELECT v.id FROM videos v JOIN images i ON i.video_id = v.id WHERE v.width = 720 AND i.video_id < 9
-- title: ON of an inner join
-- pushed: videos: `width` = 720; images: `video_id` < 9
SELECT v.id FROM videos v JOIN images i ON i.video_id = v.id AND v.width = 720 AND i.video_id < 9
-- title: a list of tables
-- pushed: videos: `width` = 720
SELECT v.id FROM images i, videos v WHERE i.video_id = v.id AND v.width = 720
-- title: twice the same table
-- pushed: videos: `width` = 720; videos: `width` = 480
SELECT a.id FROM videos a, videos b WHERE a.width = 720 AND b.width = 480
-- title: the side that a LEFT JOIN keeps
-- pushed: videos: `width` = 720
SELECT v.id FROM videos v LEFT JOIN images i ON i.video_id = v.id WHERE v.width = 720 AND i.video_id < 9
-- title: the side that a RIGHT JOIN keeps
-- pushed: images: `video_id` < 9
SELECT v.id FROM videos v RIGHT JOIN images i ON i.video_id = v.id WHERE v.width = 720 AND i.video_id < 9
-- title: the first side of SEMI, ANTI and ASOF joins
-- pushed: videos: `width` = 720; videos: `width` = 720; videos: `width` = 720
SELECT (SELECT count(*) FROM videos SEMI JOIN images USING (id) WHERE width = 720), (SELECT count(*) FROM videos ANTI JOIN images USING (id) WHERE width = 720), (SELECT count(*) FROM videos v ASOF JOIN images i ON v.id >= i.id WHERE v.width = 720)
-- title: subqueries
-- pushed: videos: `width` = 720; images: `video_id` < 9
SELECT id FROM videos WHERE width = 720 AND id IN (SELECT video_id FROM images WHERE video_id < 9)
-- title: CTE and UNION
-- pushed: videos: `width` = 720; images: `video_id` = 1
WITH a AS (SELECT id FROM videos WHERE width = 720) FROM a UNION ALL SELECT id FROM images WHERE video_id = 1
-- title: groups and windows come later
-- pushed: videos: `width` = 720
SELECT category, count(*) FROM videos WHERE width = 720 GROUP BY ALL HAVING count(*) > 1 QUALIFY row_number() OVER () < 3 ORDER BY ALL LIMIT 3
-- title: UNNEST beside it
-- pushed: videos: `width` = 720
SELECT id, tag FROM videos, UNNEST(tags) AS u(tag) WHERE width = 720 AND tag = 'a'
-- title: an alias of the name of a column
-- pushed: videos: `width` = 720
SELECT height AS width FROM videos WHERE width = 720
