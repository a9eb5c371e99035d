-- title: no rows
-- error: SelectionError
-- match: query: the selection is empty: the query returns no rows over videos@\d+
SELECT id, video FROM videos WHERE id < 0
-- title: no rows of an empty table
-- error: SelectionError
-- match: the selection is empty: the query returns no rows over nothing@1
FROM nothing
-- title: no rows of no table
-- error: SelectionError
-- match: the selection is empty: the query returns no rows over no table
SELECT 1 AS a WHERE false
-- title: int32 overflows
-- match: Overflow in multiplication of INT32
SELECT k FROM types WHERE i32 * i32 > 0
-- title: sums overflow
-- match: (?i)overflow
SELECT sum(u64::UHUGEINT * 18446744073709551615 * 2) AS s FROM types
-- title: a cast that fails
-- match: Could not convert string 'film' to INT32
SELECT category::INTEGER AS n FROM videos
-- title: a scalar subquery of many rows
-- match: More than one row returned by a subquery
SELECT id FROM videos WHERE id = (SELECT id FROM images)
-- title: error()
-- match: too short
SELECT id, CASE WHEN id > 20 THEN error('too short') ELSE id END AS n FROM videos
-- title: LIMIT of everything without ORDER BY
-- match: query:1:30: LIMIT without ORDER BY: which rows it keeps can differ between runs
SELECT id, video FROM videos LIMIT 1000
