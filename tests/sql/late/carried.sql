-- title: a bare item
-- late: videos.embedding
SELECT id, embedding FROM videos
-- title: no use at all
-- late: videos.embedding
SELECT id FROM videos
-- title: a star
-- late: videos.embedding
SELECT * FROM videos
-- title: FROM alone
-- late: videos.embedding
FROM videos
-- title: TABLE
-- late: videos.embedding
TABLE videos
-- title: FROM first
-- late: videos.embedding
FROM videos AS v SELECT v.embedding, v.id
-- title: a qualified star
-- late: videos.embedding, images.embedding
SELECT v.*, i.id AS image_id FROM videos v JOIN images i ON i.video_id = v.id
-- title: an alias
-- late: videos.embedding
SELECT embedding AS e FROM videos
-- title: an alias in front
-- late: videos.embedding
SELECT e: embedding FROM videos
-- title: an alias in single quotes
-- late: videos.embedding
SELECT embedding AS 'e', id FROM videos
-- title: case and quotes
-- late: videos.embedding
SELECT "Embedding", VIDEOS.EMBEDDING AS "E e" FROM Videos
-- title: a schema
-- late: videos.embedding
SELECT videos.embedding FROM videos
-- title: twice
-- late: videos.embedding
SELECT embedding, embedding FROM videos
-- title: a condition on others
-- late: videos.embedding
SELECT embedding FROM videos WHERE score > 0 AND category LIKE 'f%'
-- title: order by others
-- late: videos.embedding
SELECT id, embedding FROM videos ORDER BY score DESC NULLS LAST, id LIMIT 3 OFFSET 1
-- title: order by an ordinal that is another
-- late: videos.embedding
SELECT id, embedding FROM videos ORDER BY 1
-- title: order by a name behind a star
-- late: videos.embedding
SELECT * FROM videos ORDER BY id + 0 DESC
-- title: order by random
-- late: videos.embedding
SELECT * FROM videos ORDER BY random()
-- title: an ordinal behind the column
-- late: videos.embedding
SELECT embedding, id FROM videos ORDER BY 2 DESC
-- title: a subquery
-- late: videos.embedding
SELECT e FROM (SELECT embedding AS e, id FROM videos) WHERE id > 1
-- title: subqueries of subqueries
-- late: videos.embedding
SELECT * FROM (SELECT f AS g FROM (SELECT embedding AS f FROM videos) AS a) AS b
-- title: parentheses around the query
-- late: videos.embedding
((SELECT id, embedding FROM videos)) ORDER BY id
-- title: a CTE
-- late: videos.embedding
WITH best AS (SELECT id, embedding FROM videos WHERE score > 0) SELECT * FROM best
-- title: a chain of CTEs
-- late: videos.embedding
WITH a AS MATERIALIZED (FROM videos), b AS (SELECT id, embedding AS e FROM a) SELECT b.e FROM b JOIN a USING (id)
-- title: a CTE of the name of a table
-- late: videos.embedding
WITH videos AS (SELECT * FROM videos WHERE id > 1) SELECT embedding FROM videos
-- title: an inner join
-- late: videos.embedding, images.embedding
SELECT v.embedding, i.embedding AS other FROM videos v JOIN images i ON i.video_id = v.id
-- title: outer joins
-- late: videos.embedding, images.embedding
SELECT * FROM videos v FULL JOIN images i ON i.video_id = v.id AND v.score > 0
-- title: USING
-- late: videos.embedding, images.embedding
SELECT * FROM videos JOIN images USING (id)
-- title: joined in parentheses
-- late: videos.embedding, images.embedding
SELECT x.embedding FROM (videos JOIN images USING (id)) AS x
-- title: a semi-join
-- late: videos.embedding, images.embedding
SELECT * FROM videos SEMI JOIN images ON images.video_id = videos.id
-- title: an anti-join
-- late: videos.embedding, images.embedding
SELECT embedding FROM videos ANTI JOIN images USING (id)
-- title: an ASOF join
-- late: videos.embedding, images.embedding
SELECT v.embedding FROM videos v ASOF JOIN images i ON v.id >= i.id
-- title: a positional join
-- late: videos.embedding, images.embedding
SELECT * FROM (FROM videos ORDER BY id) POSITIONAL JOIN (FROM images ORDER BY id)
-- title: a lateral join
-- late: videos.embedding, images.embedding
SELECT v.id, x.e FROM videos v, LATERAL (SELECT i.embedding AS e FROM images i WHERE i.video_id = v.id) AS x
-- title: UNNEST beside it
-- late: videos.embedding
SELECT embedding, s FROM videos, UNNEST([1, 2]) AS u(s) WHERE s < id
-- title: a table function beside it
-- late: videos.embedding
SELECT embedding, i FROM videos CROSS JOIN range(2) AS r(i)
-- title: VALUES beside it
-- late: videos.embedding
SELECT embedding, name FROM videos JOIN (VALUES (1, 'a'), (2, 'b')) AS names(number, name) ON number = id
-- title: a sample
-- late: videos.embedding
SELECT embedding FROM videos TABLESAMPLE 100%
-- title: EXISTS
-- late: videos.embedding, images.embedding
SELECT embedding FROM videos v WHERE EXISTS (FROM images i WHERE i.video_id = v.id)
-- title: IN a subquery of another table
-- late: videos.embedding
SELECT embedding FROM videos WHERE id IN (FROM numbers)
-- title: a scalar subquery of others
-- late: videos.embedding, images.embedding
SELECT embedding, (SELECT count(*) FROM images i WHERE i.video_id = v.id) AS n FROM videos v
-- title: DISTINCT of others
-- late: videos.embedding
SELECT embedding FROM videos WHERE category IN (SELECT DISTINCT category FROM videos WHERE score > 0)
-- title: DISTINCT without the column
-- late: videos.embedding
SELECT DISTINCT category FROM videos
-- title: groups of others
-- late: videos.embedding
SELECT v.embedding, n FROM videos v JOIN (SELECT category, count(*) AS n FROM videos GROUP BY ALL) AS g USING (category)
-- title: UNION without the column
-- late: videos.embedding, images.embedding
SELECT embedding FROM videos WHERE id IN (SELECT id FROM images UNION SELECT video_id FROM images ORDER BY 1)
-- title: UNION of stars of other tables
-- late: videos.embedding
SELECT v.embedding FROM videos v JOIN (FROM numbers UNION ALL FROM numbers) USING (id)
-- title: UNION of stars without it
-- late: videos.embedding
SELECT * EXCLUDE (embedding) FROM videos UNION ALL SELECT * EXCLUDE embedding FROM videos
-- title: EXCLUDE another
-- late: videos.embedding
SELECT * EXCLUDE (score) FROM videos
-- title: RENAME
-- late: videos.embedding
SELECT e FROM (SELECT * RENAME (embedding AS e) FROM videos)
-- title: REPLACE another
-- late: videos.embedding
SELECT * REPLACE (score * 2 AS score) FROM videos
-- title: windows over others
-- late: videos.embedding
SELECT embedding, row_number() OVER (PARTITION BY category ORDER BY id) AS n FROM videos
-- title: QUALIFY by others
-- late: videos.embedding
SELECT id, embedding FROM videos QUALIFY row_number() OVER (PARTITION BY category ORDER BY id) = 1
-- title: the word in a text
-- late: videos.embedding
SELECT embedding FROM videos WHERE category <> 'embedding'
-- title: functions of others
-- late: documents.text
SELECT upper(title) AS title, text FROM documents WHERE length(title) > 1
-- title: lambdas over others
-- late: documents.text
SELECT list_transform([id], lambda x: x + 1) AS more, text FROM documents
-- title: two tables
-- late: videos.embedding, documents.text
SELECT v.embedding, d.text FROM videos v JOIN documents d ON d.video_id = v.id
-- title: one of two
-- late: videos.embedding
SELECT v.embedding, d.text FROM videos v JOIN documents d ON d.video_id = v.id WHERE d.text LIKE '%o%'
-- title: a view
-- late: videos.embedding
-- good: SELECT * FROM videos WHERE score > 0
SELECT id, embedding FROM good
-- title: a view that renames
-- late: videos.embedding
-- good: SELECT id, embedding AS e FROM videos
SELECT * FROM good ORDER BY id
-- title: views of views
-- late: videos.embedding, images.embedding
-- first: FROM videos
-- second: SELECT f.embedding AS a, i.embedding AS b FROM first f JOIN images i ON i.video_id = f.id
SELECT a, b FROM second
-- title: a second column of the name
-- late: videos.embedding, images.embedding
SELECT embedding_1 FROM (SELECT v.embedding, i.embedding FROM videos v JOIN images i ON i.video_id = v.id)
-- title: FETCH
-- late: videos.embedding
SELECT embedding FROM videos ORDER BY id FETCH FIRST 2 ROWS ONLY
