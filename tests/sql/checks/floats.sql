-- title: sum
-- warning: query:1:18: the last digits of sum\(motion\) can differ between runs, as floats are added in another order; write sum\(motion ORDER BY id\), or sum\(motion::DECIMAL\(18, 6\)\)
SELECT category, sum(motion) AS s FROM videos GROUP BY category
-- title: sum of an expression
-- warning: query:1:8: the last digits of sum\(motion \* 2 \+ id\) can differ between runs, as floats are added in another order; write sum\(motion \* 2 \+ id ORDER BY id\), or cast to DECIMAL\(18, 6\) inside
SELECT sum(motion * 2 + id) AS s FROM videos
-- title: avg of FLOAT
-- warning: query:1:8: the last digits of avg\(score\) can differ between runs, as floats are added in another order; write avg\(score ORDER BY _rowid\), or avg\(score::DECIMAL\(18, 6\)\)
SELECT avg(score) AS a FROM captions
-- title: mean of a qualified column
-- warning: query:1:8: the last digits of mean\(v\.motion\) can differ between runs, as floats are added in another order; write mean\(v\.motion ORDER BY v\.id\), or avg\(v\.motion::DECIMAL\(18, 6\)\)
SELECT mean(v.motion) AS a FROM videos v JOIN captions c ON c.video_id = v.id
-- title: a division
-- warning: query:1:8: the last digits of sum\(height / 2\) can differ between runs, as floats are added in another order; write sum\(height / 2 ORDER BY id\), or cast to DECIMAL\(18, 6\) inside
SELECT sum(height / 2) AS s FROM videos
-- title: a cast
-- warning: query:1:8: the last digits of sum\(height::DOUBLE\) can differ between runs, as floats are added in another order; write sum\(height::DOUBLE ORDER BY id\), or cast to DECIMAL\(18, 6\) inside
SELECT sum(height::DOUBLE) AS s FROM videos
-- title: a function
-- warning: query:1:8: the last digits of sum\(sqrt\(height\)\) can differ between runs, as floats are added in another order; write sum\(sqrt\(height\) ORDER BY id\), or cast to DECIMAL\(18, 6\) inside
SELECT sum(sqrt(height)) AS s FROM videos
-- title: fsum
-- warning: query:1:8: the last digits of fsum\(motion\) can differ between runs, as floats are added in another order; write fsum\(motion ORDER BY id\), or sum\(motion::DECIMAL\(18, 6\)\)
SELECT fsum(motion) AS s FROM videos
-- title: with a filter
-- warning: query:1:8: the last digits of sum\(motion\) can differ between runs, as floats are added in another order; write sum\(motion ORDER BY id\), or sum\(motion::DECIMAL\(18, 6\)\)
SELECT sum(motion) FILTER (WHERE width > 3) AS s FROM videos
-- title: over a window
-- warning: query:1:8: the last digits of sum\(motion\) can differ between runs, as floats are added in another order; write sum\(motion ORDER BY id\), or sum\(motion::DECIMAL\(18, 6\)\)
SELECT sum(motion) OVER (PARTITION BY category) AS s FROM videos
-- title: in HAVING
-- warning: query:1:54: the last digits of avg\(motion\) can differ between runs, as floats are added in another order; write avg\(motion ORDER BY id\), or avg\(motion::DECIMAL\(18, 6\)\)
SELECT category FROM videos GROUP BY category HAVING avg(motion) > 1
-- title: a column of a derived table
-- warning: query:1:8: the last digits of sum\(m\) can differ between runs, as floats are added in another order; write sum\(m ORDER BY …\), or sum\(m::DECIMAL\(18, 6\)\)
SELECT sum(m) AS s FROM (SELECT motion / 2 AS m FROM videos)
-- title: a column of a CTE
-- warning: query:1:58: the last digits of sum\(speed\) can differ between runs, as floats are added in another order; write sum\(speed ORDER BY id\), or sum\(speed::DECIMAL\(18, 6\)\)
WITH c AS (SELECT *, motion AS speed FROM videos) SELECT sum(speed) AS s FROM c
-- title: a column of a view
-- warning: query:1:8: the last digits of sum\(motion\) can differ between runs, as floats are added in another order; write sum\(motion ORDER BY id\), or sum\(motion::DECIMAL\(18, 6\)\)
SELECT sum(motion) AS s FROM hd
-- title: a deviation of integers
-- warning: query:1:8: the last digits of stddev\(height\) can differ between runs, as floats are added in another order; write stddev\(height ORDER BY id\), or round it
SELECT stddev(height) AS s FROM videos
-- title: corr
-- warning: query:1:8: the last digits of corr\(motion, height\) can differ between runs, as floats are added in another order; write corr\(motion, height ORDER BY id\), or round it
SELECT corr(motion, height) AS c FROM videos
-- title: regr_slope
-- warning: query:1:8: the last digits of regr_slope\(height, width\) can differ between runs, as floats are added in another order; write regr_slope\(height, width ORDER BY id\), or round it
SELECT regr_slope(height, width) AS c FROM videos
-- title: product
-- warning: query:1:8: the last digits of product\(height\) can differ between runs, as floats are added in another order; write product\(height ORDER BY id\), or round it
SELECT product(height) AS c FROM videos
-- title: geomean
-- warning: query:1:8: the last digits of geomean\(height\) can differ between runs, as floats are added in another order; write exp\(avg\(ln\(height\) ORDER BY id\)\)
SELECT geomean(height) AS c FROM videos
-- title: weighted_avg
-- warning: query:1:8: the last digits of weighted_avg\(motion, height\) can differ between runs, as floats are added in another order; write weighted_avg\(motion::DECIMAL\(18, 6\), …\)
SELECT weighted_avg(motion, height) AS c FROM videos
-- title: CASE
-- warning: query:1:8: the last digits of sum\(CASE WHEN id > 3 THEN motion ELSE 0 END\) can differ between runs, as floats are added in another order; write sum\(CASE WHEN id > 3 THEN motion ELSE 0 END ORDER BY id\), or cast to DECIMAL\(18, 6\) inside
SELECT sum(CASE WHEN id > 3 THEN motion ELSE 0 END) AS s FROM videos
-- title: COALESCE
-- warning: query:1:8: the last digits of sum\(COALESCE\(motion, 0\)\) can differ between runs, as floats are added in another order; write sum\(COALESCE\(motion, 0\) ORDER BY id\), or cast to DECIMAL\(18, 6\) inside
SELECT sum(COALESCE(motion, 0)) AS s FROM videos
-- title: a number with an exponent
-- warning: query:1:8: the last digits of sum\(height \* 1e-3\) can differ between runs, as floats are added in another order; write sum\(height \* 1e-3 ORDER BY id\), or cast to DECIMAL\(18, 6\) inside
SELECT sum(height * 1e-3) AS s FROM videos
-- title: integers
SELECT sum(height) AS a, avg(width) AS b, sum(height * width // 2) AS c, sum(height * 0.5) AS d FROM videos
-- title: DECIMAL
SELECT sum(motion::DECIMAL(18, 6)) AS a, avg(CAST(motion AS DECIMAL(18, 6))) AS b FROM videos
-- title: in order
SELECT sum(motion ORDER BY id) AS a, stddev(motion ORDER BY id) AS b, corr(motion, height ORDER BY id) AS c FROM videos
-- title: in the order of a window
SELECT sum(motion) OVER (ORDER BY id) AS a FROM videos
-- title: rounded
SELECT round(sum(motion), 3) AS a, avg(motion)::DECIMAL(9, 3) AS b, stddev(motion)::INTEGER AS c FROM videos
-- title: other aggregates of floats
SELECT max(motion) AS a, min(motion) AS b, median(motion) AS c, count(motion) AS d, quantile_cont(motion, 0.5) AS e FROM videos
-- title: of lists
SELECT list_sum([motion, 2.5]) AS a, list_avg([motion]) AS b FROM videos
-- title: a column that is not known
SELECT sum(x) AS s FROM (SELECT unnest([1, 2]) AS x)
-- title: a column of the same name that is no float
SELECT sum(motion) AS s FROM (SELECT id AS motion FROM videos)
