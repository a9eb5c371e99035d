-- title: comments in odd places
SELECT /* a */ id -- b
  , video /* c */
FROM -- d
  videos /* e; SELECT 2 */ WHERE id /**/ > 3
-- title: a trailing semicolon
SELECT id FROM videos;
-- title: semicolons and a comment
SELECT id FROM videos ; ; -- the end;
-- title: semicolons in text and names
SELECT ';' AS "semi;colon", id FROM videos WHERE category <> ';'
-- title: names in any case
sElEcT ID, Video FROM VIDEOS WhErE Category = 'film'
-- title: quoted names
SELECT "id", "videos"."video" FROM "videos" WHERE "VIDEOS"."ID" > 3
-- title: aliases with spaces and quotes
SELECT id AS "the id", video AS "a ""quoted"" name", motion AS 'single' FROM videos
-- title: names of functions and types as columns
SELECT id AS text, id + 1 AS "date", id + 2 AS value, id + 3 AS "row" FROM videos
-- title: names without AS
SELECT id ident, count(*) OVER () FROM videos
-- title: unaliased expressions
SELECT id + 1, count(*), max(motion) FILTER (WHERE id > 3), 'x', CAST(id AS VARCHAR) FROM videos GROUP BY id
-- title: dollar quotes
SELECT $$it's$$ AS a, $tag$x$$y$tag$ AS b, E'a\nb' AS c
-- title: numbers
SELECT 1_000 AS a, 1e3 AS b, .5 AS d, 5. AS e
-- title: unicode
SELECT id AS größe, 'ключ' AS "ключ" FROM videos
-- title: a tab and a carriage return
SELECT	id
  FROM   videos
-- title: a view
SELECT * FROM hd
-- title: a view in a folder
SELECT * FROM "clips/short"
-- title: a view on a view on a view
SELECT * FROM again
-- title: a view in another case
SELECT a.id, b.video FROM HD a JOIN "Clips/Short" c ON a.id = c.id JOIN Hd b ON b.id = c.id
-- title: a CTE with the name of a view
WITH hd AS (SELECT 1 AS id) SELECT hd.id, text FROM hd JOIN captions ON video_id = hd.id
-- title: a CTE with the name of a view that it uses
WITH hd AS (SELECT * FROM hd WHERE motion > 1) SELECT * FROM hd
-- title: two names that differ in case
SELECT id AS a, width AS "A" FROM images
-- title: an operator that sqlglot reads in another way
SELECT id, 7 // 2 AS a, 2 ** 3 AS b, 5 ^ 2 AS c, 'a' ~ 'a' AS d, 'abc'[2] AS e, id::VARCHAR || 'x' AS f, @(-3) AS g FROM images
-- title: IF, TRY and slices
SELECT id, if(id > 3, 'a', 'b') AS i, TRY(CAST('x' AS INTEGER)) AS t, TRY_CAST('1' AS INTEGER) AS c, [1, 2, 3][2:] AS s FROM images
-- title: INTERVAL and AT TIME ZONE
SELECT id, ts + INTERVAL '1 day 2 hours' AS a, date_trunc('month', ts) AS b, extract(dow FROM ts) AS c FROM images
-- title: IS JSON, GLOB and SIMILAR
SELECT text FROM captions WHERE text GLOB 'a*' OR text SIMILAR TO '[A-Z].*'
-- title: a positional reference
SELECT #1, #2 FROM (SELECT id, image FROM images)
-- title: GROUP BY position
SELECT category, count(*) AS n FROM videos GROUP BY 1
-- title: a list of columns after the alias
SELECT t.a, t.b FROM (SELECT id, video FROM videos) AS t(a, b)
-- title: generate_series and a correlated join
SELECT v.id, g FROM videos v, generate_series(1, v.id % 3) AS t(g)
-- title: struct access in several ways
SELECT info.codec AS a, info['codec'] AS b, (info).fps AS c, struct_extract(info, 'fps') AS d, videos.info.codec AS e FROM videos
-- title: star of a struct
SELECT id, info.* FROM videos
-- title: ANY_VALUE with a filter
SELECT count(*) FILTER (WHERE id > 3) AS n, count(*) FILTER (id > 3) AS m FROM videos
-- title: two names that differ in case, sorted
SELECT width AS a, height AS "A" FROM images
