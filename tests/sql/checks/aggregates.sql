-- title: first
-- warning: query:1:18: first\(id\) takes the row that comes first, which can differ between runs; write first\(id ORDER BY id\)
SELECT category, first(id) AS f FROM videos GROUP BY category
-- title: last of a table without id
-- warning: query:1:14: last\(text\) takes the row that comes first, which can differ between runs; write last\(text ORDER BY _rowid\)
SELECT lang, last(text) AS f FROM captions GROUP BY lang
-- title: any_value
-- warning: query:1:18: any_value\(video\) takes the row that comes first, which can differ between runs; write any_value\(video ORDER BY id\), or max\(video\)
SELECT category, any_value(video) AS v FROM videos GROUP BY category
-- title: arbitrary
-- warning: query:1:8: arbitrary\(id\) takes the row that comes first, which can differ between runs; write arbitrary\(id ORDER BY id\), or max\(id\)
SELECT arbitrary(id) AS v FROM videos
-- title: any_value of what another column fixes
-- warning: query:1:14: any_value\(v\.video\) takes the row that comes first, which can differ between runs; write any_value\(v\.video ORDER BY v\.id\), or max\(v\.video\)
SELECT v.id, any_value(v.video) AS v FROM videos v JOIN captions c ON c.video_id = v.id GROUP BY v.id
-- title: list
-- warning: query:1:18: the order of list\(image\) can differ between runs; write list\(image ORDER BY id\)
SELECT video_id, list(image) AS l FROM images GROUP BY video_id
-- title: list of DISTINCT
-- warning: query:1:8: the order of list\(DISTINCT category\) can differ between runs; write list\(DISTINCT category ORDER BY category\)
SELECT list(DISTINCT category) AS l FROM videos
-- title: list with a filter
-- warning: query:1:8: the order of list\(id\) can differ between runs; write list\(id ORDER BY id\)
SELECT list(id) FILTER (WHERE motion > 1) AS l FROM videos
-- title: array_agg
-- warning: query:1:8: the order of array_agg\(id\) can differ between runs; write array_agg\(id ORDER BY id\)
SELECT array_agg(id) AS l FROM videos
-- title: string_agg
-- warning: query:1:8: the order of string_agg\(category, ', '\) can differ between runs; write string_agg\(category, ', ' ORDER BY id\)
SELECT string_agg(category, ', ') AS s FROM videos
-- title: group_concat
-- warning: query:1:8: the order of group_concat\(category\) can differ between runs; write group_concat\(category ORDER BY id\)
SELECT group_concat(category) AS s FROM videos
-- title: json_group_array
-- warning: query:1:8: the order of json_group_array\(id\) can differ between runs; write to_json\(list\(id ORDER BY id\)\)
SELECT json_group_array(id) AS j FROM videos
-- title: an array of a subquery
-- warning: query:1:14: the order of ARRAY\(SELECT …\) can differ between runs; write ORDER BY id in it
SELECT v.id, ARRAY(SELECT i.image FROM images i WHERE i.video_id = v.id) AS l FROM videos v
-- title: arg_max
-- warning: query:1:18: of rows that tie, arg_max\(video, motion\) takes that which comes first, which can differ between runs; write arg_max\(video, motion ORDER BY id\)
SELECT category, arg_max(video, motion) AS v FROM videos GROUP BY category
-- title: arg_max of three
-- warning: query:1:18: of rows that tie, arg_max\(video, motion, 3\) takes that which comes first, which can differ between runs; write arg_max\(video, motion, 3 ORDER BY id\)
SELECT category, arg_max(video, motion, 3) AS v FROM videos GROUP BY category
-- title: min_by
-- warning: query:1:8: of rows that tie, min_by\(id, width \* height\) takes that which comes first, which can differ between runs; write min_by\(id, width \* height ORDER BY id\)
SELECT min_by(id, width * height) AS v FROM videos
-- title: arg_min_null
-- warning: query:1:8: of rows that tie, arg_min_null\(id, width\) takes that which comes first, which can differ between runs; write arg_min_null\(id, width ORDER BY id\)
SELECT arg_min_null(id, width) AS v FROM videos
-- title: mode
-- warning: query:1:8: of equally frequent values, mode\(category\) takes that which comes first, which can differ between runs; write mode\(category ORDER BY category\)
SELECT mode(category) AS m FROM videos
-- title: approx_quantile
-- warning: query:1:8: approx_quantile\(height, 0\.5\) depends on the order of rows, which can differ between runs; write quantile_cont\(height, …\), which is exact, or approx_quantile\(height, 0\.5 ORDER BY id\)
SELECT approx_quantile(height, 0.5) AS q FROM videos
-- title: reservoir_quantile
-- warning: query:1:8: reservoir_quantile\(height, 0\.5\) depends on the order of rows, which can differ between runs; write quantile_cont\(height, …\), which is exact, or reservoir_quantile\(height, 0\.5 ORDER BY id\)
SELECT reservoir_quantile(height, 0.5) AS q FROM videos
-- title: approx_top_k
-- warning: query:1:8: approx_top_k\(category, 3\) depends on the order of rows, which can differ between runs; write approx_top_k\(category, 3 ORDER BY id\)
SELECT approx_top_k(category, 3) AS top FROM videos
-- title: over a window without order
-- warning: query:1:12: the order of list\(id\) can differ between runs; write list\(id ORDER BY id\)
SELECT id, list(id) OVER (PARTITION BY category) AS l FROM videos
-- title: in a PIVOT
-- warning: query:1:30: first\(image\) takes the row that comes first, which can differ between runs; write first\(image ORDER BY id\)
PIVOT images ON height USING first(image) GROUP BY width
-- title: a long one
-- warning: query:1:18: first\(CASE WHEN motion > 1 THEN resize\(video, 6… takes the row that comes first, which can differ between runs; write first\(… ORDER BY id\)
SELECT category, first(CASE WHEN motion > 1 THEN resize(video, 64, 64) ELSE resize(video, 32, 32) END) AS f FROM videos GROUP BY category
-- title: in order
SELECT first(id ORDER BY id) AS a, last(id ORDER BY id DESC) AS b, list(id ORDER BY id) AS c, any_value(id ORDER BY id) AS d FROM videos
-- title: in order, of several arguments
SELECT string_agg(category, ',' ORDER BY id) AS a, arg_max(video, motion ORDER BY id) AS b, mode(width ORDER BY width) AS c FROM videos
-- title: in order, with a filter and DISTINCT
SELECT list(DISTINCT category ORDER BY category) FILTER (WHERE motion > 1) AS l FROM videos
-- title: in the order of a window
SELECT list(id) OVER (ORDER BY id) AS a, last(id) OVER w AS b FROM videos WINDOW w AS (PARTITION BY category ORDER BY id)
-- title: a key that breaks all ties
SELECT arg_max(video, id) AS a, arg_min(video, (motion, id)) AS b, arg_max(width, width) AS c, max_by(video, _rowid) AS d FROM videos
-- title: a key of the group
SELECT video_id, any_value(video_id) AS a, first(images.video_id) AS b FROM images GROUP BY video_id, images.video_id
-- title: a key of GROUP BY ALL
SELECT category, any_value(category) AS a FROM videos GROUP BY ALL
-- title: a constant
SELECT first(1) AS a, list('x') AS b FROM videos
-- title: where order does not matter
SELECT len(list(id)) AS a, list_sort(list(DISTINCT category)) AS b, list_contains(list(id), 3) AS c FROM videos
-- title: aggregates that do not mind
SELECT count(*) AS a, min(id) AS b, max(video) AS c, count(DISTINCT category) AS d, bool_or(width > 3) AS e, histogram(width) AS f, median(height) AS g, quantile_cont(height, 0.3) AS h, approx_count_distinct(id) AS i FROM videos
-- title: an array of a subquery in order
SELECT v.id, ARRAY(SELECT i.image FROM images i WHERE i.video_id = v.id ORDER BY i.id) AS l, ARRAY[1, 2] AS a FROM videos v
-- title: a list of a scalar subquery
SELECT id, [(SELECT max(i.id) FROM images i WHERE i.video_id = v.id)] AS l FROM videos v
-- title: lists that are no aggregates
SELECT [id, width] AS a, list_value(id, 2) AS b, list_first(tags) AS c, list_aggregate(tags, 'first') AS d FROM videos
-- title: columns of that name
SELECT first, mode FROM (SELECT id AS first, width AS mode FROM videos)
