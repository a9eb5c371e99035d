-- title: row_number
-- error: query:1:12: row_number\(\) OVER \(\) has no order, so its numbers can differ between runs; write row_number\(\) OVER \(ORDER BY id\)
SELECT id, row_number() OVER () AS n FROM videos
-- title: row_number in groups
-- error: query:1:31: row_number\(\) OVER \(PARTITION BY category\) has no order, so its numbers can differ between runs; write row_number\(\) OVER \(PARTITION BY category ORDER BY id\)
SELECT id FROM videos QUALIFY row_number() OVER (PARTITION BY category) = 1
-- title: lag
-- error: query:1:14: lag\(v\.id\) OVER \(PARTITION BY v\.category\) has no order, so the rows it looks at can differ between runs; write lag\(v\.id\) OVER \(PARTITION BY v\.category ORDER BY v\.id\)
SELECT v.id, lag(v.id) OVER (PARTITION BY v.category) AS l FROM videos v JOIN captions c ON c.video_id = v.id
-- title: lead of a table without id
-- error: query:1:8: lead\(text, 2\) OVER \(\) has no order, so the rows it looks at can differ between runs; write lead\(text, 2\) OVER \(ORDER BY _rowid\)
SELECT lead(text, 2) OVER () AS l FROM captions
-- title: ntile
-- error: query:1:8: ntile\(10\) OVER \(\) has no order, so its numbers can differ between runs; write ntile\(10\) OVER \(ORDER BY id\)
SELECT ntile(10) OVER () AS part FROM videos
-- title: first_value
-- error: query:1:8: first_value\(video\) OVER \(PARTITION BY category\) has no order, so the rows it looks at can differ between runs; write first_value\(video\) OVER \(PARTITION BY category ORDER BY id\)
SELECT first_value(video) OVER (PARTITION BY category) AS f FROM videos
-- title: last_value ignoring NULL
-- error: query:1:8: last_value\(video IGNORE NULLS\) OVER \(\) has no order, so the rows it looks at can differ between runs; write last_value\(video IGNORE NULLS\) OVER \(ORDER BY id\)
SELECT last_value(video IGNORE NULLS) OVER () AS f FROM videos
-- title: nth_value
-- error: query:1:8: nth_value\(id, 2\) OVER \(\) has no order, so the rows it looks at can differ between runs; write nth_value\(id, 2\) OVER \(ORDER BY id\)
SELECT nth_value(id, 2) OVER () AS f FROM videos
-- title: a named window
-- error: query:1:8: row_number\(\) OVER w has no order, so its numbers can differ between runs; put ORDER BY id into the window w
SELECT row_number() OVER w AS n FROM videos WINDOW w AS (PARTITION BY category)
-- title: a running sum
-- error: query:1:8: sum\(height\) OVER \(…\) has no order, so the rows it looks at can differ between runs; write sum\(height\) OVER \(… ORDER BY id …\)
SELECT sum(height) OVER (ROWS UNBOUNDED PRECEDING) AS s FROM videos
-- title: a frame of three
-- error: query:1:8: max\(height\) OVER \(…\) has no order, so the rows it looks at can differ between runs; write max\(height\) OVER \(… ORDER BY id …\)
SELECT max(height) OVER (PARTITION BY category ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) AS s FROM videos
-- title: in order
SELECT row_number() OVER (ORDER BY id) AS a, lag(id) OVER (PARTITION BY category ORDER BY id) AS b FROM videos
-- title: in the order of a named window
SELECT row_number() OVER w AS a, lead(id) OVER (w ORDER BY id) AS b FROM videos WINDOW w AS (PARTITION BY category ORDER BY motion)
-- title: an order in the call
SELECT first_value(id ORDER BY id) OVER (PARTITION BY category) AS a FROM videos
-- title: of the whole partition
SELECT count(*) OVER () AS a, max(height) OVER (PARTITION BY category) AS b, sum(height) OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS c FROM videos
-- title: the same for all
SELECT rank() OVER () AS a, dense_rank() OVER () AS b FROM videos
-- title: a running sum in order
SELECT sum(height) OVER (ORDER BY id ROWS 2 PRECEDING) AS s FROM videos
