-- title: columns and a media column
SELECT id, video, category FROM videos
-- title: star
SELECT * FROM videos
-- title: area of a frame
SELECT video FROM videos WHERE height * width >= 1080 * 1920
-- title: division is not that of integers
SELECT id FROM videos WHERE height / 1000 > 1
-- title: integer division and modulo
SELECT id, height // 7 AS whole, height % 7 AS rest FROM videos WHERE width // 1000 = 1
-- title: NaN is greater than everything
SELECT id, motion FROM videos WHERE motion > 2
-- title: NaN equals NaN
SELECT id FROM videos WHERE motion = 'nan'::DOUBLE
-- title: NaN is not less
SELECT id FROM videos WHERE motion < 'nan'::DOUBLE
-- title: both zeros are equal
SELECT id, motion FROM videos WHERE motion = 0
-- title: negative zero is not less than zero
SELECT id, motion FROM videos WHERE motion < 0
-- title: negative zero is at least zero
SELECT id, motion FROM videos WHERE motion >= 0
-- title: zeros in a list
SELECT id, motion FROM videos WHERE motion IN (0.0, 1.0)
-- title: a negative zero as constant
SELECT id, motion FROM videos WHERE motion <= -0.0::DOUBLE
-- title: at most a number
SELECT id, motion FROM videos WHERE motion <= 2.5
-- title: between
SELECT id FROM videos WHERE motion BETWEEN 0 AND 2.5 AND height BETWEEN 480 AND 1080
-- title: not between
SELECT id FROM videos WHERE motion NOT BETWEEN 0 AND 2.5
-- title: in a list with NULL
SELECT id FROM videos WHERE category IN ('film', NULL)
-- title: not in a list
SELECT id FROM videos WHERE category NOT IN ('film', 'game')
-- title: not in a list with NULL is never true, so count
SELECT count(*) AS n FROM videos WHERE category NOT IN ('film', NULL)
-- title: distinct from
SELECT id FROM videos WHERE category IS DISTINCT FROM 'film'
-- title: like with a prefix
SELECT text FROM captions WHERE text LIKE 'a%'
-- title: like with escape
SELECT text FROM captions WHERE text LIKE '%\_%' ESCAPE '\'
-- title: ilike and a regular expression
SELECT text FROM captions WHERE text ILIKE 'A %' OR regexp_matches(text, '^[[:digit:]]+%')
-- title: empty text is not NULL
SELECT count(*) AS n, text FROM captions WHERE text = '' OR text IS NULL GROUP BY text
-- title: accents and case
SELECT text, lower(text) AS low, length(text) AS n FROM captions WHERE text >= 'É'
-- title: CASE in a filter
SELECT id FROM videos WHERE CASE WHEN height > 1000 THEN motion > 2 WHEN height IS NULL THEN true ELSE category = 'film' END
-- title: a field of a struct
SELECT id, info.codec FROM videos WHERE info.fps < 26 AND info.codec = 'h264'
-- title: a field of a NULL struct
SELECT id FROM videos WHERE info.codec IS NULL
-- title: an unsigned number
SELECT id FROM videos WHERE size_bytes > 4000000005 AND size_bytes <> 4000000011
-- title: a timestamp
SELECT id, created FROM videos WHERE created >= TIMESTAMP '2024-01-15' AND created < '2024-01-20'
-- title: an interval
SELECT id, created + INTERVAL 3 DAY AS later FROM videos WHERE created + INTERVAL 1 MONTH > TIMESTAMP '2024-02-20'
-- title: lists
SELECT id, tags FROM videos WHERE list_contains(tags, 'b') OR len(tags) = 0
-- title: the first of a list
SELECT id FROM videos WHERE tags[1] = 'a' OR tags[-1] IS NULL
-- title: distance of embeddings
SELECT id, embedding FROM videos WHERE array_distance(embedding, [0, 0, 0, 0]::FLOAT[4]) > 1.4
-- title: cosine distance operator
SELECT id, embedding <=> [1, 0, 0, 0]::FLOAT[4] AS far FROM videos WHERE embedding <=> [1, 0, 0, 0]::FLOAT[4] < 0.9
-- title: a NULL medium
SELECT id, video FROM videos WHERE video IS NULL
-- title: a medium that is there, empty or not
SELECT id, video FROM videos WHERE video IS NOT NULL
-- title: fields of a reference
SELECT id, video FROM videos WHERE video.row % 2 = 0
-- title: three-valued logic
SELECT id FROM videos WHERE NOT (motion > 2 AND category = 'film')
-- title: nothing but constants
SELECT 1 AS one, 'two' AS two, NULL AS three
-- title: no table
SELECT range AS i, range * 0.5 AS half FROM range(10)
-- title: VALUES
VALUES (1, 'a'), (2, NULL), (2, NULL)
-- title: VALUES with names
SELECT * FROM (VALUES (1, 'a'), (2, NULL)) AS t(num, word) JOIN videos ON id = num
-- title: the row of a table as a struct
SELECT images FROM images WHERE id < 5
-- title: FROM first
FROM videos SELECT id, video WHERE motion > 1
-- title: FROM only
FROM images
-- title: TABLE
TABLE images
-- title: prefix aliases
SELECT a: id, b: v.video FROM v: videos WHERE a < 9
-- title: an alias used in WHERE
SELECT id, height * 2 AS tall FROM videos WHERE tall > 1000
-- title: a table of the schema main
SELECT id, video FROM main.videos
