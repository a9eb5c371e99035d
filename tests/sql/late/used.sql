-- title: WHERE
-- late: none
SELECT id FROM videos WHERE embedding IS NOT NULL
-- title: WHERE by an alias
-- late: none
SELECT id, embedding AS e FROM videos WHERE e IS NOT NULL
-- title: ISNULL
-- late: none
SELECT id, embedding ISNULL AS missing FROM videos
-- title: NOTNULL
-- late: none
SELECT embedding NOTNULL FROM videos
-- title: ON
-- late: none
SELECT v.embedding FROM videos v JOIN images i ON i.embedding = v.embedding
-- title: USING
-- late: none
SELECT embedding FROM videos JOIN images USING (embedding)
-- title: ORDER BY
-- late: none
SELECT id, embedding FROM videos ORDER BY embedding, id
-- title: ORDER BY an alias
-- late: none
SELECT id, embedding AS e FROM videos ORDER BY e, id
-- title: ORDER BY outside
-- late: none
(SELECT id, embedding FROM videos) ORDER BY embedding, id
-- title: GROUP BY
-- late: none
SELECT embedding, count(*) AS n FROM videos GROUP BY embedding
-- title: HAVING
-- late: none
SELECT category FROM videos GROUP BY category HAVING count(embedding) > 1
-- title: QUALIFY
-- late: none
SELECT id FROM videos QUALIFY rank() OVER (ORDER BY embedding) = 1
-- title: PARTITION BY
-- late: none
SELECT id, count(*) OVER (PARTITION BY embedding) AS n FROM videos
-- title: a named window
-- late: none
SELECT id, rank() OVER w AS n FROM videos WINDOW w AS (ORDER BY embedding)
-- title: FILTER
-- late: none
SELECT count(*) FILTER (WHERE embedding IS NULL) AS n FROM videos
-- title: an aggregate
-- late: none
SELECT max(embedding) AS most FROM videos
-- title: an aggregate that would carry it
-- late: none
SELECT category, arg_max(embedding, id) AS e FROM videos GROUP BY category
-- title: a function
-- late: none
SELECT id, length(text) AS n FROM documents
-- title: a function with a dot
-- late: none
SELECT id, text.length() AS n FROM documents
-- title: a function with two dots
-- late: none
SELECT id, documents.text.length() AS n FROM documents
-- title: a cast
-- late: none
SELECT embedding::VARCHAR AS t FROM videos
-- title: an element
-- late: none
SELECT embedding[1] AS first FROM videos
-- title: a distance
-- late: none
SELECT id, list_distance(embedding, embedding) AS d FROM videos
-- title: CASE
-- late: none
SELECT CASE WHEN id > 1 THEN embedding END AS e FROM videos
-- title: coalesce
-- late: none
SELECT coalesce(v.embedding, i.embedding) AS e FROM videos v LEFT JOIN images i ON i.video_id = v.id
-- title: a list
-- late: none
SELECT [embedding] AS l FROM videos
-- title: a struct
-- late: none
SELECT {e: embedding} AS s FROM videos
-- title: a lambda
-- late: none
SELECT list_transform([1], lambda x: embedding) AS l FROM videos
-- title: a comprehension
-- late: none
SELECT [x FOR x IN [id] IF embedding IS NOT NULL] AS l FROM videos
-- title: an alias used again
-- late: none
SELECT text AS t, length(t) AS n FROM documents
-- title: through a subquery
-- late: none
SELECT length(u) AS n FROM (SELECT text AS u FROM documents)
-- title: through a star
-- late: none
SELECT length(text) AS n FROM (FROM documents)
-- title: through a RENAME
-- late: none
SELECT length(u) AS n FROM (SELECT * RENAME (text AS u) FROM documents)
-- title: through a CTE
-- late: none
WITH a AS (SELECT embedding AS e FROM videos), b AS (SELECT e AS f FROM a) SELECT * FROM b WHERE f IS NOT NULL
-- title: through a view
-- late: none
-- named: SELECT id, embedding AS e FROM videos
SELECT id FROM named WHERE e IS NOT NULL
-- title: in a view
-- late: none
-- known: SELECT id, embedding FROM videos WHERE embedding IS NOT NULL
SELECT embedding FROM known
-- title: through a second column of the name
-- late: none
SELECT max(embedding_1) AS m FROM (SELECT v.embedding, i.embedding FROM videos v JOIN images i ON i.video_id = v.id)
-- title: through a second column of a join
-- late: none
SELECT embedding_1[1] AS m FROM (FROM videos v JOIN images i ON i.video_id = v.id)
-- title: REPLACE
-- late: none
SELECT * REPLACE (length(text) AS text) FROM documents
-- title: REPLACE by itself
-- late: none
SELECT * REPLACE (text AS title) FROM documents
-- title: a lateral subquery
-- late: none
SELECT v.id, n FROM videos v, LATERAL (SELECT v.embedding[1] AS n)
-- title: a correlated condition
-- late: none
SELECT id FROM videos v WHERE EXISTS (FROM images i WHERE i.embedding = v.embedding)
-- title: UNNEST
-- late: none
SELECT id, u FROM videos, UNNEST(embedding::FLOAT[]) AS t(u)
-- title: in parentheses
-- late: none
SELECT (embedding) FROM videos
-- title: text beside late embedding
-- late: videos.embedding
SELECT v.embedding, length(d.text) AS n FROM videos v JOIN documents d ON d.video_id = v.id
-- title: case of names
-- late: none
SELECT id, EMBEDDING AS E FROM videos WHERE e IS NULL
-- title: IN
-- late: none
SELECT id FROM documents WHERE text IN ('a', 'b')
