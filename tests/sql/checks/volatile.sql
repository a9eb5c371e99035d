-- title: random
-- error: query:1:12: random\(\) differs in every run; write sample\(id, 0\.1\) for a share of the rows, or split\(id, 'val', 0\.01\) to set some aside
SELECT id, random() AS r FROM videos
-- title: random in WHERE
-- error: query:3:7: RANDOM \(\) differs in every run; write sample\(id, 0\.1\) for a share of the rows, or split\(id, 'val', 0\.01\) to set some aside
SELECT id FROM videos v
WHERE v.motion > 1
  AND RANDOM () < 0.1
-- title: a shuffle
-- error: query:1:32: random\(\) differs in every run; write ORDER BY md5\(id::VARCHAR\) for a shuffle that stays the same
SELECT id FROM videos ORDER BY random()
-- title: random of a table without id
-- error: query:1:33: random\(\) differs in every run; write sample\(_rowid, 0\.1\) for a share of the rows, or split\(_rowid, 'val', 0\.01\) to set some aside
SELECT text FROM captions WHERE random() < 0.5
-- title: random of a join
-- error: query:1:72: random\(\) differs in every run; write sample\(v\.id, 0\.1\) for a share of the rows, or split\(v\.id, 'val', 0\.01\) to set some aside
SELECT c.text FROM captions c JOIN videos v ON v.id = c.video_id WHERE random() < 0.5
-- title: random of a join with a name in quotes
-- error: query:1:63: random\(\) differs in every run; write sample\("order"\.id, 0\.1\) for a share of the rows, or split\("order"\.id, 'val', 0\.01\) to set some aside
SELECT text FROM captions JOIN "order" ON id = video_id WHERE random() < 0.5
-- title: random in a subquery
-- error: query:1:70: random\(\) differs in every run; write sample\(id, 0\.1\) for a share of the rows, or split\(id, 'val', 0\.01\) to set some aside
SELECT id FROM videos WHERE id IN (SELECT video_id FROM images WHERE random() > 0.5)
-- title: random in a schema
-- error: query:1:13: random\(\) differs in every run; write sample\(id, 0\.1\) for a share of the rows, or split\(id, 'val', 0\.01\) to set some aside
SELECT main.random() AS r
-- title: a seed
-- error: query:1:8: setseed\(0\.5\) differs in every run; write sample\(id, 0\.1\) for a share of the rows, or split\(id, 'val', 0\.01\) to set some aside
SELECT setseed(0.5) AS s
-- title: uuid
-- error: query:1:8: uuid\(\) differs in every run; select a column that tells the rows apart, such as id
SELECT uuid() AS u, id FROM images
-- title: gen_random_uuid
-- error: query:1:8: gen_random_uuid\(\) differs in every run; select a column that tells the rows apart, such as _rowid
SELECT gen_random_uuid() AS u, text FROM captions
-- title: uuidv7
-- error: query:1:8: uuidv7\(\) differs in every run; select a column that tells the rows apart, such as id
SELECT uuidv7() AS u
-- title: a sequence
-- error: query:1:8: nextval\('s'\) counts on in every run; write row_number\(\) OVER \(ORDER BY id\)
SELECT nextval('s') AS n, id FROM videos
-- title: now
-- error: query:1:39: now\(\) changes with the clock; write the moment, e\.g\. TIMESTAMP '2025-01-31 00:00:00'
SELECT id FROM videos WHERE created < now()
-- title: now, minus some days
-- error: query:1:39: now\(\) changes with the clock; write the moment, e\.g\. TIMESTAMP '2025-01-31 00:00:00'
SELECT id FROM videos WHERE created > now() - INTERVAL 30 DAY
-- title: ago
-- error: query:1:39: ago\(INTERVAL 30 DAY\) changes with the clock; write the moment, e\.g\. TIMESTAMP '2025-01-31 00:00:00'
SELECT id FROM videos WHERE created > ago(INTERVAL 30 DAY)
-- title: age of one moment
-- error: query:1:8: age\(created\) changes with the clock; give it a second moment, e\.g\. age\(TIMESTAMP '2025-01-31 00:00:00', …\)
SELECT age(created) AS old FROM videos
-- title: age between two
SELECT age(TIMESTAMP '2025-01-31 00:00:00', created) AS old FROM videos
-- title: age between two, as a method
SELECT created.age(TIMESTAMP '2025-01-31 00:00:00') AS old FROM videos
-- title: today
-- error: query:1:39: today\(\) changes with the clock; write the day, e\.g\. DATE '2025-01-31'
SELECT id FROM videos WHERE created < today()
-- title: CURRENT_DATE
-- error: query:1:45: CURRENT_DATE changes with the clock; write the day, e\.g\. DATE '2025-01-31'
SELECT id FROM videos WHERE created::DATE = CURRENT_DATE
-- title: current_date with parentheses
-- error: query:1:8: current_date\(\) changes with the clock; write the day, e\.g\. DATE '2025-01-31'
SELECT current_date() AS d
-- title: current_timestamp
-- error: query:1:8: current_timestamp changes with the clock; write the moment, e\.g\. TIMESTAMP '2025-01-31 00:00:00'
SELECT current_timestamp AS t
-- title: get_current_timestamp
-- error: query:1:8: get_current_timestamp\(\) changes with the clock; write the moment, e\.g\. TIMESTAMP '2025-01-31 00:00:00'
SELECT get_current_timestamp() AS t
-- title: transaction_timestamp
-- error: query:1:8: transaction_timestamp\(\) changes with the clock; write the moment, e\.g\. TIMESTAMP '2025-01-31 00:00:00'
SELECT transaction_timestamp() AS t
-- title: localtimestamp
-- error: query:1:8: localtimestamp changes with the clock; write the moment, e\.g\. TIMESTAMP '2025-01-31 00:00:00'
SELECT localtimestamp AS t
-- title: current_time
-- error: query:1:8: CURRENT_TIME changes with the clock; write the time, e\.g\. TIME '12:00:00'
SELECT CURRENT_TIME AS t
-- title: localtime
-- error: query:1:8: localtime changes with the clock; write the time, e\.g\. TIME '12:00:00'
SELECT localtime AS t
-- title: a setting
-- error: query:1:8: current_setting\('threads'\) depends on the session that runs it; write the value itself
SELECT current_setting('threads') AS n
-- title: a variable
-- error: query:1:38: getvariable\('least'\) depends on the session that runs it; write the value itself
SELECT id FROM videos WHERE motion > getvariable('least')
-- title: a query's own id
-- error: query:1:8: current_query_id\(\) depends on the session that runs it; write the value itself
SELECT current_query_id() AS q, txid AS t FROM (SELECT 1 AS txid)
-- title: a column called random
SELECT random FROM (SELECT id AS random FROM videos)
-- title: a column called current_date
SELECT current_date FROM (SELECT 1 AS current_date)
-- title: a qualified column called localtime
SELECT t.localtime FROM (SELECT 1 AS localtime) t
-- title: a name in quotes
SELECT "current_timestamp" FROM (SELECT 2 AS "current_timestamp")
-- title: an alias
SELECT id AS now, width AS today FROM videos
-- title: a prefix alias
SELECT now: id FROM videos
-- title: in text and comments
SELECT 'random()' AS word /* now() */ FROM videos -- CURRENT_DATE
-- title: a CTE called random
WITH random(a) AS (SELECT 1) SELECT a FROM random
-- title: sample and split
SELECT id FROM videos WHERE sample(id, 0.1) AND split(id, 'train', 0.9)
-- title: an error of one's own
SELECT CASE WHEN width < 0 THEN error('no width') ELSE width END AS w FROM videos
-- title: hashes and versions
SELECT md5(id::VARCHAR) AS h, version() AS v, current_schema() AS s FROM videos
-- title: parts of a date
SELECT year(created) AS y, date_trunc('day', created) AS d, created AT TIME ZONE 'UTC' AS z FROM videos
