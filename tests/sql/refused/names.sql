-- title: unknown table
-- match: query:1:15: no table or view "vidoes"; did you mean "videos"\? There are: again, captions, clips/short, 
SELECT * FROM vidoes
-- title: unknown table, nothing near
-- match: query:2:8: no table or view "zzz"\. There are:
SELECT *
  FROM zzz
-- title: unknown table in a subquery
-- match: query:1:56: no table or view "captoins"; did you mean "captions"
SELECT * FROM videos WHERE id IN (SELECT video_id FROM captoins)
-- title: a CTE is not visible outside
-- match: query:1:62: no table or view "inner_one"
SELECT * FROM (WITH inner_one AS (SELECT 1) FROM inner_one), inner_one
-- title: unknown view
-- match: query:1:6: no table or view "clips/shrot"; did you mean "clips/short"\?
FROM "clips/shrot"
-- title: unknown name alone
-- match: no table or view "vidoes"; did you mean "videos"\?
vidoes
-- title: unknown column
-- match: query:1:8: no column "captoin" in captions\. captions has: lang, score, seconds, text, video_id
SELECT captoin FROM captions
-- title: unknown column, nearest
-- match: query:1:12: no column "hieght" in videos; did you mean "height"\?
SELECT id, hieght FROM videos
-- title: unknown column of an alias
-- match: query:1:\d+: no column "texts"
SELECT c.texts FROM captions c
-- title: unknown column of two tables
-- match: query:1:8: no column "durations" in videos or captions
SELECT durations FROM videos JOIN captions ON video_id = id
-- title: unknown column in a subquery
-- match: query:1:\d+: no column "hieght"
SELECT id FROM videos WHERE EXISTS (SELECT 1 FROM images WHERE hieght > 2)
-- title: a column that SQL cannot hold
-- match: query:1:8: column half has the type halffloat, which SQL cannot hold; cast it when the table is made
SELECT half FROM videos
-- title: unknown function
-- match: query(:1:8)?: Scalar Function with name cilp does not exist! Did you mean "clip"\?
SELECT cilp(video, 0, 2) FROM videos
-- title: an ambiguous column
-- match: query(:1:8)?: Ambiguous reference to column name "id"
SELECT id FROM videos JOIN images ON true
-- title: two equal names
-- match: query: two columns are named "id"; give one another name, e\.g\. `… AS id_2`
SELECT a.id, b.id FROM videos a JOIN images b ON a.id = b.id
-- title: two equal names without alias
-- match: two columns are named "count_star\(\)"; give one another name, e\.g\. `… AS count_star___2`
SELECT count(*), count(*) FROM videos
-- title: _rowid of a view
-- match: no column "_rowid" in hd
SELECT _rowid FROM hd
-- title: _rowid beside NATURAL JOIN
-- match: query:1:\d+: NATURAL JOIN beside _rowid; write JOIN … USING \(columns\)
SELECT videos._rowid FROM videos NATURAL JOIN captions
-- title: query_table
-- match: query:1:23: query_table\(\) hides which tables are read, so that their versions cannot be pinned; write FROM and
SELECT id, video FROM query_table('videos')
-- title: a query as JSON
-- match: query:1:6: json_execute_serialized_sql\(\) hides which tables are read
FROM json_execute_serialized_sql('{}')
-- title: a query as text, of a schema, in quotes
-- match: query:1:11: query\(\) hides which tables are read, so that their versions cannot be pinned; write .* the query itself
FROM main."Query"('SELECT random() AS r')
-- title: a query as text in LATERAL
-- match: query:1:41: query\(\) hides which tables are read
SELECT v.id, q.r FROM videos v, LATERAL query('SELECT random() AS r') q
-- title: histogram of a table
-- match: query:1:6: histogram\(\) hides which tables are read
FROM histogram('videos', 'height')
-- title: the tables of the session
-- match: query:1:\d+: information_schema tells of the session, so that its rows differ from run to run; session\.sql can
SELECT table_name FROM information_schema.tables
-- title: the tables of the session, of a catalog, in quotes and other letters
-- match: query:1:\d+: information_schema tells of the session
SELECT table_name FROM memory."Information_Schema".Tables
-- title: pg_catalog
-- match: query:1:\d+: pg_catalog tells of the session
FROM pg_catalog.pg_tables
-- title: duckdb_tables
-- match: query:1:6: duckdb_tables tells of the session, so that its rows differ from run to run; session\.sql can
FROM DUCKDB_TABLES()
-- title: duckdb_settings in a subquery
-- match: query:1:39: duckdb_settings tells of the session
SELECT id, (SELECT count(*) AS n FROM duckdb_settings()) AS n FROM videos
-- title: duckdb_views of a schema
-- match: query:1:11: duckdb_views tells of the session
FROM main.duckdb_views()
-- title: pragma_table_info
-- match: query:1:6: pragma_table_info tells of the session
FROM pragma_table_info('videos')
-- title: a table of DuckDB's own
-- match: query:1:18: system tells of the session, so that its rows differ from run to run
FROM system.main.duckdb_types
-- title: offsets of time zones, which change with the clock
-- match: query:1:6: pg_timezone_names tells of the session
FROM pg_timezone_names()
-- title: a plan as JSON
-- match: query:1:8: json_serialize_plan\('SELECT 1'\) depends on the session that runs it
SELECT json_serialize_plan('SELECT 1') AS p
-- title: a table of a catalog
-- match: query:1:18: "videos" is there, but only a plain name in a FROM clause means it: FROM "videos", or DESCRIBE "videos"
FROM memory.main.videos
