-- title: nothing
-- match: query: empty; expected one SELECT
 
-- title: only a comment
-- match: query: empty; expected one SELECT
/* nothing */
-- title: two statements
-- match: query:1:11: a second statement starts here; expected one SELECT
SELECT 1; SELECT 2
-- title: a syntax error
-- match: query:1:23: syntax error at or near "videos"
SELECT id, video FORM videos WHERE
-- title: a syntax error in the second line
-- match: query:2:\d+: syntax error
SELECT id,
  video, FROM FROM videos
-- title: CREATE TABLE
-- match: query:1:1: this is CREATE, expected one SELECT
CREATE TABLE x AS SELECT 1
-- title: CREATE VIEW
-- match: query:1:1: this is CREATE, expected one SELECT
CREATE VIEW x AS SELECT 1
-- title: DROP
-- match: query:1:1: this is DROP, expected one SELECT
DROP TABLE videos
-- title: INSERT
-- match: query:1:1: this is INSERT, expected one SELECT
INSERT INTO videos SELECT * FROM videos
-- title: UPDATE
-- match: query:1:1: this is UPDATE, expected one SELECT
UPDATE videos SET id = 1
-- title: DELETE
-- match: query:1:1: this is DELETE, expected one SELECT
DELETE FROM videos
-- title: ATTACH
-- match: query:1:1: this is ATTACH, expected one SELECT
ATTACH 'x.duckdb' AS x
-- title: COPY
-- match: query:1:1: this is COPY, expected one SELECT
COPY (SELECT 1) TO '/tmp/x.csv'
-- title: SET
-- match: query:1:1: this is SET, expected one SELECT
SET threads = 1
-- title: PRAGMA
-- match: query:1:1: this is PRAGMA, expected one SELECT
PRAGMA database_list
-- title: INSTALL
-- match: expected one SELECT
INSTALL httpfs
-- title: DESCRIBE
-- match: query:1:1: this is DESCRIBE, expected one SELECT
DESCRIBE videos
-- title: a statement between the marks of a template
-- match: query:1:12: \{# marks a template; write a space between the two
SELECT MAP {#1: 2} AS m FROM videos; CREATE TABLE hacked AS SELECT 42 AS x; SELECT MAP --#}
 {1: 2} AS m FROM videos
-- title: the marks of a template behind comments and text with one
-- match: query:3:8: \{# marks a template
SELECT '{#' AS "{#", /* {# ' */ -- {# "
  MAP
       {#1: 2} AS m FROM videos; SELECT MAP --#}
       {1: 2} AS m
-- title: the other marks of a template
-- match: query:1:17: syntax error at or near "\{"
SELECT 1 AS one {% SELECT 2 %}
-- title: read_csv
-- match: query(:1:\d+)?: .*disabled
SELECT * FROM read_csv('/etc/passwd')
-- title: a file's name
-- match: query(:1:\d+)?: .*(disabled|parquet)
SELECT * FROM 'file.parquet'
-- title: a file's name with a folder
-- match: query: Cannot access file "/tmp/x.csv" - file system operations are disabled
SELECT * FROM '/tmp/x.csv'
-- title: read_text
-- match: query(:1:\d+)?: .*disabled
SELECT content FROM read_text('/etc/passwd')
-- title: glob
-- match: query(:1:\d+)?: .*disabled
SELECT * FROM glob('/etc/*')
-- title: a quoted name of a file
-- match: no table or view "/etc/passwd"
SELECT * FROM "/etc/passwd"
