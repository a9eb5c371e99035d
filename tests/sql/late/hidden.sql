-- title: DISTINCT
-- late: none
SELECT DISTINCT embedding FROM videos
-- title: DISTINCT star
-- late: none
SELECT DISTINCT * FROM videos
-- title: DISTINCT in a subquery
-- late: none
SELECT count(*) AS n FROM (SELECT DISTINCT * EXCLUDE (id) FROM videos)
-- title: DISTINCT ON an ordinal
-- late: none
SELECT DISTINCT ON (2) id, embedding FROM videos ORDER BY 2, 1
-- title: DISTINCT ON others
-- late: none
SELECT DISTINCT ON (category) * FROM videos ORDER BY id
-- title: GROUP BY ALL
-- late: none
SELECT embedding, count(*) AS n FROM videos GROUP BY ALL
-- title: GROUP BY ALL of a star
-- late: none
FROM videos GROUP BY ALL
-- title: GROUP BY an ordinal
-- late: none
SELECT embedding, count(*) AS n FROM videos GROUP BY 1
-- title: ORDER BY ALL
-- late: none
SELECT embedding, id FROM videos ORDER BY ALL LIMIT 2
-- title: ORDER BY ALL of a star
-- late: none
FROM (FROM videos ORDER BY ALL LIMIT 2)
-- title: ORDER BY star
-- late: none
SELECT id FROM (FROM videos ORDER BY * LIMIT 2)
-- title: ORDER BY an ordinal
-- late: none
SELECT id, embedding FROM videos ORDER BY 2, 1 LIMIT 2
-- title: ORDER BY an ordinal in parentheses
-- late: none
SELECT id, embedding FROM videos ORDER BY (2), 1 LIMIT 2
-- title: ORDER BY an ordinal behind a star
-- late: none
SELECT * FROM videos ORDER BY 4, 1 LIMIT 2
-- title: ORDER BY an ordinal outside
-- late: none
(SELECT embedding, id FROM videos) ORDER BY 1, 2 LIMIT 2
-- title: ORDER BY ALL in an aggregate
-- late: none
SELECT list(id ORDER BY ALL) FROM videos
-- title: UNION
-- late: none
SELECT embedding FROM videos UNION SELECT embedding FROM images
-- title: UNION ALL
-- late: none
SELECT embedding FROM videos UNION ALL SELECT embedding FROM images
-- title: UNION ALL with a value
-- late: none
SELECT embedding FROM videos UNION ALL SELECT [1, 2, 3, 4]::FLOAT[]
-- title: UNION ALL BY NAME
-- late: none
FROM videos UNION ALL BY NAME FROM images
-- title: UNION in a subquery
-- late: none
SELECT * FROM (FROM videos UNION ALL (FROM videos))
-- title: EXCEPT
-- late: none
SELECT embedding FROM videos EXCEPT ALL SELECT embedding FROM images
-- title: INTERSECT
-- late: none
FROM videos INTERSECT FROM videos
-- title: a star without one of two
-- late: none
SELECT * EXCLUDE (v.embedding) FROM videos v JOIN images i ON i.video_id = v.id UNION SELECT * EXCLUDE (v.embedding) FROM videos v JOIN images i ON i.video_id = v.id
-- title: a natural join
-- late: none
SELECT * FROM videos NATURAL JOIN images
-- title: a scalar subquery
-- late: none
SELECT (SELECT embedding FROM videos WHERE id = 1) AS e
-- title: a scalar subquery of a row outside
-- late: none
SELECT (SELECT embedding) AS e FROM videos
-- title: IN a subquery
-- late: none
SELECT id FROM videos WHERE embedding IN (SELECT embedding FROM images)
-- title: IN a subquery with FROM
-- late: none
SELECT id FROM videos WHERE (id, category, score, embedding) IN (FROM videos)
-- title: ANY
-- late: none
SELECT [1, 2, 3, 4]::FLOAT[] = ANY (SELECT embedding FROM images) AS a
-- title: ARRAY
-- late: none
SELECT ARRAY(SELECT text FROM documents ORDER BY id) AS a
-- title: ARRAY of FROM
-- late: none
SELECT ARRAY(FROM (SELECT text FROM documents)) AS a
-- title: a row
-- late: none
SELECT videos FROM videos
-- title: a row by its alias
-- late: none
SELECT v FROM videos AS v
-- title: a row of a subquery
-- late: none
SELECT x FROM (FROM videos) AS x
-- title: a row of a subquery without a name
-- late: none
SELECT unnamed_subquery FROM (FROM videos)
-- title: a row of a CTE
-- late: none
WITH c AS (FROM videos) SELECT c FROM c
-- title: a row of a view
-- late: none
-- good: FROM videos
SELECT good FROM good
-- title: a row with a schema
-- late: none
SELECT main.videos FROM main.videos
-- title: a row with a function
-- late: none
SELECT v.to_json() AS j FROM videos v
-- title: a row, hashed
-- late: none
SELECT hash(v) AS h FROM videos v
-- title: rows, counted
-- late: none
SELECT count(DISTINCT videos) AS n FROM videos
-- title: rows in a list
-- late: none
SELECT list(v ORDER BY v) AS l FROM videos v
-- title: a row, unnested
-- late: none
SELECT unnest(v) FROM videos v
-- title: a row, cast
-- late: none
SELECT v::VARCHAR AS t FROM videos v
-- title: a row IS NULL
-- late: none
SELECT v.id FROM images i LEFT JOIN videos v ON v.id = i.video_id WHERE v IS NULL
-- title: rows joined
-- late: none
SELECT a.id FROM videos a JOIN videos b ON a = b
-- title: a row by its field
-- late: none
SELECT v['embedding'] AS e FROM videos v
-- title: COLUMNS
-- late: none
SELECT max(COLUMNS(*)) FROM videos
-- title: COLUMNS by a pattern
-- late: none
SELECT COLUMNS('emb.*') FROM videos
-- title: COLUMNS by a lambda
-- late: none
SELECT COLUMNS(lambda c: c LIKE 'emb%') FROM videos
-- title: COLUMNS in WHERE
-- late: none
SELECT id FROM videos WHERE COLUMNS(*) IS NOT NULL
-- title: a star LIKE
-- late: none
SELECT * LIKE 'emb%' FROM videos
-- title: a star SIMILAR TO
-- late: none
SELECT * SIMILAR TO 'emb.*' FROM videos
-- title: count of a star
-- late: none
SELECT count(v.*) AS n FROM videos v
-- title: a column by number
-- late: none
SELECT #4 FROM videos
-- title: aliases of a table
-- late: none
SELECT d FROM videos AS v(a, b, c, d) WHERE d IS NOT NULL
-- title: aliases of a subquery
-- late: none
SELECT b FROM (SELECT id, embedding FROM videos) AS x(a, b) WHERE b IS NOT NULL
-- title: aliases of a CTE
-- late: none
WITH c(a, b) AS (SELECT id, embedding FROM videos) SELECT a FROM c WHERE b IS NOT NULL
-- title: aliases of a lateral subquery
-- late: none
SELECT x.b FROM videos v, LATERAL (SELECT v.embedding) AS x(b) WHERE x.b IS NOT NULL
-- title: a recursive CTE
-- late: none
WITH RECURSIVE r AS (SELECT id, embedding FROM videos WHERE id = 1 UNION SELECT id + 1, embedding FROM r WHERE id < 3) SELECT * FROM r
-- title: PIVOT
-- late: none
PIVOT videos ON category USING count(*)
-- title: PIVOT in FROM
-- late: none
SELECT * FROM (SELECT id, category, embedding FROM videos) PIVOT (count(id) FOR category IN ('film', 'sport'))
-- title: UNPIVOT
-- late: none
UNPIVOT documents ON title, text INTO NAME n VALUE v
-- title: DESCRIBE
-- late: none
SELECT * FROM (DESCRIBE videos)
-- title: SUMMARIZE
-- late: none
SELECT column_name, column_type FROM (SUMMARIZE videos)
-- title: SHOW
-- late: none
SELECT * FROM (SHOW videos)
-- title: a function over a subquery
-- late: none
SELECT * FROM summary((FROM videos))
-- title: query
-- late: none
SELECT * FROM query('SELECT max(embedding) FROM videos')
-- title: query_table
-- late: none
SELECT * FROM query_table('videos')
-- title: VALUES
-- late: none
SELECT * FROM videos v, LATERAL (VALUES (v.embedding)) AS t(a)
-- title: LIMIT by a subquery
-- late: none
SELECT id FROM documents ORDER BY id LIMIT (SELECT length(text) FROM documents WHERE id = 1)
