-- title: not named
-- scans: t
SELECT a FROM t
-- oracle:
SELECT a FROM t
-- title: in text only
-- scans: t
SELECT '_rowid' FROM t
-- oracle:
SELECT '_rowid' FROM t
-- title: of a view
SELECT _rowid FROM v
-- oracle:
SELECT _rowid FROM v
-- title: of a table
-- scans: t with _rowid
SELECT _rowid FROM t
-- oracle:
SELECT _rowid FROM "t with _rowid" AS "t"
-- title: of an alias, in other case
SELECT x._ROWID FROM T AS x
-- oracle:
SELECT x._ROWID FROM "t with _rowid" AS x
-- title: beside count(*)
SELECT count(*), t._rowid FROM t
-- oracle:
SELECT count(*), t._rowid FROM "t with _rowid" AS "t"
-- title: of one of two
-- scans: t with _rowid, u
SELECT t._rowid FROM t, u
-- oracle:
SELECT t._rowid FROM "t with _rowid" AS "t", u
-- title: of a CTE
WITH t AS (SELECT 1 AS _rowid) SELECT _rowid FROM t
-- oracle:
WITH t AS (SELECT 1 AS _rowid) SELECT _rowid FROM t
-- title: beside a star
SELECT _rowid, * FROM t
-- oracle:
SELECT _rowid, * EXCLUDE ("t"._rowid) FROM "t with _rowid" AS "t"
-- title: beside a star that excludes
SELECT * EXCLUDE (a) FROM t WHERE _rowid > 1
-- oracle:
SELECT * EXCLUDE ("t"._rowid, a) FROM "t with _rowid" AS "t" WHERE _rowid > 1
-- title: FROM first
FROM t WHERE _rowid > 1
-- oracle:
SELECT * EXCLUDE ("t"._rowid) FROM "t with _rowid" AS "t" WHERE _rowid > 1
