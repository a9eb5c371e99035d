-- title: LIMIT
-- error: query:1:23: LIMIT without ORDER BY: which rows it keeps can differ between runs; write ORDER BY id before it, or WHERE sample\(id, 0\.1\) for a share of the rows
SELECT id FROM videos LIMIT 10
-- title: LIMIT and OFFSET
-- error: query:2:1: LIMIT without ORDER BY: which rows it keeps can differ between runs; write ORDER BY id before it, or WHERE sample\(id, 0\.1\) for a share of the rows
SELECT id FROM videos
LIMIT 10 OFFSET 5
-- title: OFFSET
-- error: query:1:27: OFFSET without ORDER BY: which rows it keeps can differ between runs; write ORDER BY _rowid before it, or WHERE sample\(_rowid, 0\.1\) for a share of the rows
SELECT text FROM captions OFFSET 5
-- title: FETCH
-- error: query:1:23: FETCH without ORDER BY: which rows it keeps can differ between runs; write ORDER BY id before it, or WHERE sample\(id, 0\.1\) for a share of the rows
SELECT id FROM videos FETCH FIRST 3 ROWS ONLY
-- title: FETCH of one row
-- error: query:1:23: FETCH without ORDER BY: which rows it keeps can differ between runs; write ORDER BY id before it, or WHERE sample\(id, 0\.1\) for a share of the rows
SELECT id FROM videos FETCH FIRST ROW ONLY
-- title: in percent
-- error: query:1:23: LIMIT without ORDER BY: which rows it keeps can differ between runs; write ORDER BY id before it, or WHERE sample\(id, 0\.1\) for a share of the rows
SELECT id FROM videos LIMIT 20%
-- title: FROM first
-- error: query:1:13: LIMIT without ORDER BY: which rows it keeps can differ between runs; write ORDER BY id before it, or WHERE sample\(id, 0\.1\) for a share of the rows
FROM videos LIMIT 3
-- title: TABLE
-- error: query:1:14: LIMIT without ORDER BY: which rows it keeps can differ between runs; write ORDER BY id before it, or WHERE sample\(id, 0\.1\) for a share of the rows
TABLE videos LIMIT 3
-- title: a join
-- error: query:1:64: LIMIT without ORDER BY: which rows it keeps can differ between runs; write ORDER BY v\.id before it, or WHERE sample\(v\.id, 0\.1\) for a share of the rows
SELECT v.id FROM captions c JOIN videos v ON v.id = c.video_id LIMIT 7
-- title: by a subquery
-- error: query:1:23: LIMIT without ORDER BY: which rows it keeps can differ between runs; write ORDER BY id before it, or WHERE sample\(id, 0\.1\) for a share of the rows
SELECT id FROM videos LIMIT (SELECT count(*) FROM images)
-- title: of groups
-- error: query:1:62: LIMIT without ORDER BY: which rows it keeps can differ between runs; write ORDER BY ALL before it
SELECT category, count(*) AS n FROM videos GROUP BY category LIMIT 3
-- title: of a DISTINCT
-- error: query:1:38: LIMIT without ORDER BY: which rows it keeps can differ between runs; write ORDER BY ALL before it
SELECT DISTINCT category FROM videos LIMIT 3
-- title: of a UNION
-- error: query:1:51: LIMIT without ORDER BY: which rows it keeps can differ between runs; write ORDER BY ALL before it
SELECT id FROM videos UNION SELECT id FROM images LIMIT 3
-- title: in a derived table
-- error: query:1:41: LIMIT without ORDER BY: which rows it keeps can differ between runs; write ORDER BY id before it, or WHERE sample\(id, 0\.1\) for a share of the rows
SELECT t.id FROM (SELECT id FROM videos LIMIT 5) t ORDER BY id
-- title: in a CTE
-- error: query:1:37: LIMIT without ORDER BY: which rows it keeps can differ between runs; write ORDER BY id before it, or WHERE sample\(id, 0\.1\) for a share of the rows
WITH some AS (SELECT id FROM videos LIMIT 5) SELECT id FROM some ORDER BY id LIMIT 2
-- title: behind parentheses
-- error: query:1:25: LIMIT without ORDER BY: which rows it keeps can differ between runs; write ORDER BY id before it, or WHERE sample\(id, 0\.1\) for a share of the rows
(SELECT id FROM videos) LIMIT 5
-- title: inside parentheses
-- error: query:1:24: LIMIT without ORDER BY: which rows it keeps can differ between runs; write ORDER BY id before it, or WHERE sample\(id, 0\.1\) for a share of the rows
(SELECT id FROM videos LIMIT 5) ORDER BY id
-- title: a correlated subquery
-- error: query:1:64: LIMIT without ORDER BY: which rows it keeps can differ between runs; write ORDER BY id before it, or WHERE sample\(id, 0\.1\) for a share of the rows
SELECT id, (SELECT image FROM images i WHERE i.video_id = v.id LIMIT 1) AS image FROM videos v
-- title: LATERAL
-- error: query:1:97: LIMIT without ORDER BY: which rows it keeps can differ between runs; write ORDER BY id before it, or WHERE sample\(id, 0\.1\) for a share of the rows
SELECT v.id, b.image FROM videos v, LATERAL (SELECT image FROM images i WHERE i.video_id = v.id LIMIT 1) b
-- title: an order inside is not an order outside
-- error: query:1:52: LIMIT without ORDER BY: which rows it keeps can differ between runs; write ORDER BY id before it, or WHERE sample\(id, 0\.1\) for a share of the rows
SELECT id FROM (SELECT id FROM videos ORDER BY id) LIMIT 5
-- title: an order in a window only
-- error: query:1:59: LIMIT without ORDER BY: which rows it keeps can differ between runs; write ORDER BY id before it, or WHERE sample\(id, 0\.1\) for a share of the rows
SELECT id, rank() OVER (ORDER BY motion) AS n FROM videos LIMIT 5
-- title: an order of a constant
-- error: query:1:36: LIMIT beside an ORDER BY of a constant: which rows it keeps can differ between runs; write ORDER BY id before it, or WHERE sample\(id, 0\.1\) for a share of the rows
SELECT id FROM videos ORDER BY 'x' LIMIT 5
-- title: of a view
-- error: query:1:19: LIMIT without ORDER BY: which rows it keeps can differ between runs; write ORDER BY id before it, or WHERE sample\(id, 0\.1\) for a share of the rows
SELECT id FROM hd LIMIT 5
-- title: with an order
SELECT id FROM videos ORDER BY id LIMIT 10
-- title: with an order that may have ties
SELECT id FROM videos ORDER BY motion DESC LIMIT 10 OFFSET 3
-- title: with an order by position
SELECT id FROM videos ORDER BY 1 LIMIT 10
-- title: with an order of all
SELECT id FROM videos ORDER BY ALL LIMIT 10
-- title: with an order by an expression
SELECT id FROM videos ORDER BY -id, (SELECT 1) LIMIT 10
-- title: behind a parenthesised order
(SELECT id FROM videos ORDER BY id DESC) LIMIT 5
-- title: of a UNION in order
SELECT id FROM videos UNION SELECT id FROM images ORDER BY id LIMIT 3
-- title: FETCH in order
SELECT id FROM videos ORDER BY id OFFSET 2 ROWS FETCH FIRST 4 ROWS ONLY
-- title: LIMIT in EXISTS
SELECT id FROM videos v WHERE EXISTS (SELECT 1 FROM captions c WHERE c.video_id = v.id LIMIT 1)
-- title: LIMIT in NOT EXISTS
SELECT id FROM videos v WHERE NOT EXISTS (FROM captions c WHERE c.video_id = v.id LIMIT 1 OFFSET 2)
-- title: LIMIT 0
SELECT * FROM videos LIMIT 0
-- title: LIMIT ALL
SELECT * FROM videos LIMIT ALL
-- title: LIMIT NULL and OFFSET 0
SELECT * FROM videos LIMIT NULL OFFSET 0
-- title: LIMIT 100%
SELECT * FROM videos LIMIT 100%
-- title: of a single row
SELECT count(*) AS n, max(id) AS most FROM videos LIMIT 1
-- title: of a derived table of one row
SELECT most FROM (SELECT max(id) AS most FROM videos) LIMIT 1
-- title: of constants
SELECT 1 AS one LIMIT 1
-- title: of VALUES
VALUES (1), (2) LIMIT 1
-- title: of a function
SELECT range AS i FROM range(10) LIMIT 3
-- title: of a list
SELECT id, (SELECT t FROM UNNEST(v.tags) u(t) LIMIT 1) AS tag FROM videos v
-- title: columns and text with that name
SELECT id AS "limit", 'LIMIT 3' AS word FROM videos
-- title: DISTINCT ON
-- error: query:1:8: DISTINCT ON without ORDER BY: which row of a group it keeps can differ between runs; write ORDER BY category, id
SELECT DISTINCT ON (category) category, id FROM videos
-- title: DISTINCT ON two
-- error: query:1:24: DISTINCT ON without ORDER BY: which row of a group it keeps can differ between runs; write ORDER BY width, height, id
SELECT id FROM (SELECT DISTINCT ON (width, height) * FROM images) ORDER BY id
-- title: DISTINCT ON by its own key only
-- warning: query:1:8: DISTINCT ON beside an ORDER BY of nothing else: which row of a group it keeps can differ between runs; write ORDER BY category, id
SELECT DISTINCT ON (category) category, id FROM videos ORDER BY category
-- title: DISTINCT ON in order
SELECT DISTINCT ON (category) category, id FROM videos ORDER BY category, motion DESC
-- title: DISTINCT ON in order of all
SELECT DISTINCT ON (category) category, id FROM videos ORDER BY ALL
-- title: DISTINCT ON a key
SELECT DISTINCT ON (id, category) * FROM videos
-- title: DISTINCT ON a key of one side of a join
-- error: query:1:8: DISTINCT ON without ORDER BY: which row of a group it keeps can differ between runs; write ORDER BY v\.id, …
SELECT DISTINCT ON (v.id) v.id, c.text FROM videos v JOIN captions c ON c.video_id = v.id
-- title: DISTINCT ON of nothing else
SELECT DISTINCT ON (category) category FROM videos
-- title: DISTINCT
SELECT DISTINCT category, width FROM videos
