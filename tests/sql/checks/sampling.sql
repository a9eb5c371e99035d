-- title: rows
-- error: query:1:23: a sample without REPEATABLE takes other rows in every run; write WHERE sample\(id, 0\.1\)
SELECT id FROM videos USING SAMPLE 10
-- title: a share
-- error: query:1:23: a sample without REPEATABLE takes other rows in every run; write WHERE sample\(id, 0\.1\)
SELECT id FROM videos USING SAMPLE 10 PERCENT (bernoulli)
-- title: a share of a quarter
-- error: query:2:1: a sample without REPEATABLE takes other rows in every run; write WHERE sample\(id, 0\.025\)
SELECT id FROM videos
USING SAMPLE 2.5%
-- title: TABLESAMPLE
-- error: query:1:27: a sample without REPEATABLE takes other rows in every run; write WHERE sample\(id, 0\.1\)
SELECT v.id FROM videos v TABLESAMPLE reservoir(20) WHERE v.motion > 1
-- title: system
-- error: query:1:27: a sample without REPEATABLE takes other rows in every run; write WHERE sample\(_rowid, 0\.1\)
SELECT text FROM captions TABLESAMPLE system(10%)
-- title: in a subquery
-- error: query:1:38: a sample without REPEATABLE takes other rows in every run; write WHERE sample\(id, 0\.05\)
SELECT * FROM (SELECT id FROM images USING SAMPLE 5%) WHERE id > 2
-- title: FROM first
-- error: query:1:13: a sample without REPEATABLE takes other rows in every run; write WHERE sample\(id, 0\.1\)
FROM videos USING SAMPLE 5 ROWS
-- title: with a seed
SELECT id FROM videos USING SAMPLE 10% (bernoulli, 42)
-- title: with a seed and WHERE
SELECT id FROM videos WHERE motion > 1 USING SAMPLE reservoir(100 ROWS) REPEATABLE (42)
-- title: TABLESAMPLE with a seed
SELECT v.id FROM videos v TABLESAMPLE system(10%) REPEATABLE (3) JOIN captions c ON c.video_id = v.id
-- title: of everything
SELECT id FROM videos USING SAMPLE 100 PERCENT (bernoulli)
-- title: of a function
SELECT range AS i FROM range(100) USING SAMPLE 10% (bernoulli, 1)
-- title: of groups, with a seed
-- warning: query:1:63: REPEATABLE takes the same rows only of a table: those of a view, a subquery or a join can come in another order in every run; write WHERE sample\(…, 0\.5\)
SELECT * FROM (SELECT category FROM videos GROUP BY category) USING SAMPLE 50% (bernoulli, 42)
-- title: of a join, with a seed
-- warning: query:1:64: REPEATABLE takes the same rows only of a table: those of a view, a subquery or a join can come in another order in every run; write WHERE sample\(v\.id, 0\.5\)
SELECT v.id FROM videos v JOIN captions c ON c.video_id = v.id USING SAMPLE 50% (bernoulli, 42)
-- title: of a view, with a seed
-- warning: query:1:19: REPEATABLE takes the same rows only of a table: those of a view, a subquery or a join can come in another order in every run; write WHERE sample\(id, 0\.1\)
SELECT id FROM hd TABLESAMPLE bernoulli(10%) REPEATABLE (7)
-- title: of a CTE, with a seed
-- warning: query:1:61: REPEATABLE takes the same rows only of a table: those of a view, a subquery or a join can come in another order in every run; write WHERE sample\(id, 0\.1\)
WITH videos AS (SELECT DISTINCT id FROM videos) FROM videos USING SAMPLE 10% (bernoulli, 42)
-- title: the word in another place
SELECT id AS "using sample", 'TABLESAMPLE' AS word FROM videos
