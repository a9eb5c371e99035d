-- title: a number
-- scans: t @ 1
SELECT a FROM t AT (VERSION => 1)
-- oracle:
SELECT a FROM "t @ 1" AS "t"
-- title: a tag
-- scans: t @ 1
SELECT a FROM t AT (VERSION => 'old')
-- oracle:
SELECT a FROM "t @ 1" AS "t"
-- title: behind an alias
FROM t AS x AT (VERSION => 2) WHERE x.a > 1
-- oracle:
FROM "t @ 2" AS x WHERE x.a > 1
-- title: before an alias
SELECT y.a FROM T at (version => 2) y
-- oracle:
SELECT y.a FROM "t @ 2" y
-- title: two versions of one table
-- scans: t, t @ 1
SELECT n.a FROM t n JOIN t AS o AT (VERSION => 1) USING (a)
-- oracle:
SELECT n.a FROM t n JOIN "t @ 1" AS o USING (a)
-- title: the version of the session
-- scans: t
SELECT a FROM t AT (VERSION => 3)
-- oracle:
SELECT a FROM t
-- title: with row ids
SELECT _rowid FROM t AT (VERSION => 1)
-- oracle:
SELECT _rowid FROM "t @ 1 with _rowid" AS "t"
-- title: in a subquery
SELECT (SELECT max(a) FROM u AT (VERSION => 2)) AS m FROM t
-- oracle:
SELECT (SELECT max(a) FROM "u @ 2" AS "u") AS m FROM t
-- title: no such version
-- error: query:1:17: t has no version 9
SELECT a FROM t AT (VERSION => 9)
-- title: no such tag
-- error: query:1:22: t has no version new
SELECT a FROM t AS x AT (VERSION => 'new')
-- title: a time
-- error: query:1:17: expected AT \(VERSION => 12\), a number, or AT \(VERSION => 'baseline'\), a tag
SELECT a FROM t AT (TIMESTAMP => '2026-01-01')
-- title: an expression
-- error: query:1:17: expected AT \(VERSION => 12\)
SELECT a FROM t AT (VERSION => 1 + 1)
-- title: a view
-- error: query:1:15: v is no table, so it has no versions; write AT \(VERSION => …\) behind the tables
SELECT a FROM v AT (VERSION => 1)
-- title: a CTE
-- error: query:1:25: c is no table
WITH c AS (FROM t) FROM c AT (VERSION => 1)
-- title: a selection
-- error: query:1:24: a saved selection has its versions in it; leave AT \(…\) out
FROM selection('abcd') AT (VERSION => 1)
