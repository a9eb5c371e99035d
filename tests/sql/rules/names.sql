-- title: the schema main
SELECT a FROM main.t
-- oracle:
SELECT a FROM "t" AS "t"
-- title: a view in the schema main
SELECT a FROM main.v
-- oracle:
SELECT a FROM v
-- title: a saved selection
-- scans: selection abcdef123
SELECT a FROM selection('abcd')
-- oracle:
SELECT a FROM "selection abcdef123" AS "selection"
-- title: a saved selection with an alias
SELECT s.a FROM selection('abcd') AS s JOIN t USING (a)
-- oracle:
SELECT s.a FROM "selection abcdef123" AS s JOIN t USING (a)
-- title: no such selection
-- error: query:1:15: no such selection
SELECT a FROM selection('ffff')
-- title: a selection by a number
-- error: query:1:15: selection\(…\) takes the start of a saved selection's fingerprint, as text
SELECT a FROM selection(12)
-- title: unknown
-- error: query:2:6: no w
SELECT a
FROM w
-- title: query_table
-- error: query:1:6: query_table\(\) hides which tables are read
FROM query_table('t')
-- title: other functions
SELECT i FROM range(3) r(i), unnest([1]) u(x)
-- oracle:
SELECT i FROM range(3) r(i), unnest([1]) u(x)
