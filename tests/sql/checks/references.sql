-- title: text
-- error: query:1:8: video cast to VARCHAR: SQL has a reference to the medium, not its bytes; raw\(video\) in the SELECT list gives the training step the bytes
SELECT video::VARCHAR AS f FROM videos
-- title: BLOB
-- error: query:1:13: v\.video cast to BLOB: SQL has a reference to the medium, not its bytes; raw\(v\.video\) in the SELECT list gives the training step the bytes
SELECT CAST(v.video AS BLOB) AS f FROM videos v
-- title: TRY_CAST
-- error: query:1:17: image cast to VARCHAR: SQL has a reference to the medium, not its bytes; raw\(image\) in the SELECT list gives the training step the bytes
SELECT TRY_CAST(image AS TEXT) AS f FROM images
-- title: a macro's result
-- error: query:1:8: clip\(video, 0, 2\) cast to VARCHAR: SQL has a reference to the medium, not its bytes; raw\(…\) of the media column in the SELECT list gives the training step the bytes
SELECT clip(video, 0, 2)::VARCHAR AS f FROM videos
-- title: a chain of macros
-- error: query:1:8: video\.clip\(0, 2\)\.resize\(8, 8\) cast to VARCHAR: SQL has a reference to the medium, not its bytes; raw\(…\) of the media column in the SELECT list gives the training step the bytes
SELECT video.clip(0, 2).resize(8, 8)::VARCHAR AS f FROM videos
-- title: JSON
-- error: query:1:8: video cast to JSON: SQL has a reference to the medium, not its bytes; raw\(video\) in the SELECT list gives the training step the bytes
SELECT video::JSON AS f FROM videos
-- title: a struct
-- error: query:1:8: video cast to STRUCT\(a INT\): SQL has a reference to the medium, not its bytes; raw\(video\) in the SELECT list gives the training step the bytes
SELECT video::STRUCT(a INTEGER) AS f FROM videos
-- title: a list of media as text
-- error: query:1:8: \[image, thumbnail\] cast to VARCHAR: SQL has a reference to the medium, not its bytes; raw\(…\) of the media column in the SELECT list gives the training step the bytes
SELECT [image, thumbnail]::VARCHAR AS f FROM images
-- title: a struct with a medium as JSON
-- error: query:1:8: to_json\(\{'a': video\}\) takes \{'a': video\} for text: SQL has a reference to the medium, not its bytes; raw\(…\) of the media column in the SELECT list gives the training step the bytes
SELECT to_json({'a': video}) AS f FROM videos
-- title: beside text
-- error: query:1:8: video \|\| 'x' takes video for text: SQL has a reference to the medium, not its bytes; raw\(video\) in the SELECT list gives the training step the bytes
SELECT video || 'x' AS f FROM videos
-- title: behind text
-- error: query:1:15: 'x' \|\| resize\(video, 8, 8\) takes resize\(video, 8, 8\) for text: SQL has a reference to the medium, not its bytes; raw\(…\) of the media column in the SELECT list gives the training step the bytes
SELECT 'x' || resize(video, 8, 8) AS f FROM videos
-- title: LIKE
-- error: query:1:29: video LIKE '%x%' takes video for text: SQL has a reference to the medium, not its bytes; raw\(video\) in the SELECT list gives the training step the bytes
SELECT id FROM videos WHERE video LIKE '%x%'
-- title: concat
-- error: query:1:8: concat\('a', v\.video\) takes v\.video for text: SQL has a reference to the medium, not its bytes; raw\(v\.video\) in the SELECT list gives the training step the bytes
SELECT concat('a', v.video) AS f FROM videos v
-- title: md5
-- error: query:1:8: md5\(video\) is not a hash of the bytes: SQL has a reference to the medium, not its bytes; hash a key of the row, e\.g\. md5\(id::VARCHAR\)
SELECT md5(video) AS f FROM videos
-- title: sha256 of a table without id
-- error: query:1:8: sha256\(medium\) is not a hash of the bytes: SQL has a reference to the medium, not its bytes; hash a key of the row, e\.g\. md5\(…::VARCHAR\)
SELECT sha256(medium) AS f FROM (SELECT video AS medium FROM videos)
-- title: hash
-- error: query:1:29: hash\(video\) is not a hash of the bytes: SQL has a reference to the medium, not its bytes; hash a key of the row, e\.g\. md5\(id::VARCHAR\)
SELECT id FROM videos WHERE hash(video) % 10 = 0
-- title: a method
-- error: query:1:14: video\.md5\(\) is not a hash of the bytes: SQL has a reference to the medium, not its bytes; hash a key of the row, e\.g\. md5\(id::VARCHAR\)
SELECT video.md5() AS f FROM videos
-- title: length
-- error: query:1:8: octet_length\(video\) is not the number of bytes: SQL has a reference to the medium, not its bytes; use a column of sizes, e\.g\. size_bytes
SELECT octet_length(video) AS f FROM videos
-- title: len of a COALESCE
-- error: query:1:8: len\(COALESCE\(thumbnail, image\)\) is not the number of bytes: SQL has a reference to the medium, not its bytes; use a column of sizes, e\.g\. size_bytes
SELECT len(COALESCE(thumbnail, image)) AS f FROM images
-- title: format
-- error: query:1:8: format\('\{\}', video\) takes video for text: SQL has a reference to the medium, not its bytes; raw\(video\) in the SELECT list gives the training step the bytes
SELECT format('{}', video) AS f FROM videos
-- title: json_object
-- error: query:1:8: json_object\('v', video\) takes video for text: SQL has a reference to the medium, not its bytes; raw\(video\) in the SELECT list gives the training step the bytes
SELECT json_object('v', video) AS f FROM videos
-- title: string_agg in order
-- error: query:1:8: string_agg\(video, ',' ORDER BY id\) takes video for text: SQL has a reference to the medium, not its bytes; raw\(video\) in the SELECT list gives the training step the bytes
SELECT string_agg(video, ',' ORDER BY id) AS f FROM videos
-- title: a field
SELECT video.ops AS f FROM videos
-- title: a field of a qualified column
SELECT v.video.row AS f FROM videos v
-- title: a field of a macro's result
SELECT id FROM videos WHERE clip(video, 0, id).stop_seconds > 5
-- title: a field in brackets
SELECT video['source'] AS f FROM videos
-- title: struct_extract
SELECT struct_extract(video, 'row') AS f FROM videos
-- title: all fields
-- error: query:1:8: video\.\* would show what a media reference is made of; select video itself
SELECT video.* FROM videos
-- title: unnest
-- error: query:1:8: unnest\(video\) takes a media reference apart, whose fields are no columns; select video itself
SELECT unnest(video) FROM videos
-- title: struct_update
-- error: query:1:8: struct_update\(video, row := 5\) changes a media reference by hand; write clip\(video, …\), resize\(video, …\) and so on
SELECT struct_update(video, row := 5) AS f FROM videos
-- title: struct_insert
-- error: query:1:8: struct_insert\(video, a := 5\) changes a media reference by hand; write clip\(video, …\), resize\(video, …\) and so on
SELECT struct_insert(video, a := 5) AS f FROM videos
-- title: a reference by hand
-- error: query:1:8: \{'source': 9, 'row': 1,… cast to media: a media reference cannot be made by hand; select a media column
SELECT {'source': 9, 'row': 1, 'ops': 0}::media AS f FROM videos
-- title: a reference by CAST
-- error: query:1:13: struct_pack\(source := 9… cast to media: a media reference cannot be made by hand; select a media column
SELECT CAST(struct_pack(source := 9, row := 1) AS media) AS f
-- title: a reference by row
-- error: query:1:8: row\(1, 2, 3\) cast to media: a media reference cannot be made by hand; select a media column
SELECT row(1, 2, 3)::media AS f
-- title: a list of references by hand
-- error: query:1:9: \{'source': 9, 'row': 1\} cast to media: a media reference cannot be made by hand; select a media column
SELECT [{'source': 9, 'row': 1}]::media[] AS f
-- title: a number as a medium
-- error: query:1:8: id cast to media: a media reference cannot be made by hand; select a media column
SELECT id::media AS f FROM videos
-- title: out of a CTE
-- error: query:1:59: md5\(medium\) is not a hash of the bytes: SQL has a reference to the medium, not its bytes; hash a key of the row, e\.g\. md5\(id::VARCHAR\)
WITH c AS (SELECT id, video AS medium FROM videos) SELECT md5(medium) AS f FROM c
-- title: out of a CTE with names of columns
-- error: query:1:55: b cast to VARCHAR: SQL has a reference to the medium, not its bytes; raw\(b\) in the SELECT list gives the training step the bytes
WITH c(a, b) AS (SELECT id, video FROM videos) SELECT b::VARCHAR AS f FROM c
-- title: out of a derived table with a star
-- error: query:1:8: t\.video cast to VARCHAR: SQL has a reference to the medium, not its bytes; raw\(t\.video\) in the SELECT list gives the training step the bytes
SELECT t.video::VARCHAR AS f FROM (SELECT * EXCLUDE (id) FROM videos) t
-- title: out of a UNION
-- error: query:1:8: md5\(m\) is not a hash of the bytes: SQL has a reference to the medium, not its bytes; hash a key of the row, e\.g\. md5\(…::VARCHAR\)
SELECT md5(m) AS f FROM (SELECT video AS m FROM videos UNION ALL SELECT image FROM images)
-- title: out of a view
-- error: query:1:8: video cast to VARCHAR: SQL has a reference to the medium, not its bytes; raw\(video\) in the SELECT list gives the training step the bytes
SELECT video::VARCHAR AS f FROM hd
-- title: out of a view in a folder, on a view
-- error: query:1:8: c\.clip cast to VARCHAR: SQL has a reference to the medium, not its bytes; raw\(c\.clip\) in the SELECT list gives the training step the bytes
SELECT c.clip::VARCHAR AS f FROM "clips/short" c
-- title: out of an aggregate
-- error: query:1:8: arg_max\(video, id\) cast to VARCHAR: SQL has a reference to the medium, not its bytes; raw\(…\) of the media column in the SELECT list gives the training step the bytes
SELECT arg_max(video, id)::VARCHAR AS f FROM videos
-- title: out of a window
-- error: query:1:9: lag\(video\) OVER \(ORDER BY id\) cast to VARCHAR: SQL has a reference to the medium, not its bytes; raw\(…\) of the media column in the SELECT list gives the training step the bytes
SELECT (lag(video) OVER (ORDER BY id))::VARCHAR AS f FROM videos
-- title: out of a scalar subquery
-- error: query:1:8: \(SELECT max\(video\) FROM videos\) cast to VARCHAR: SQL has a reference to the medium, not its bytes; raw\(…\) of the media column in the SELECT list gives the training step the bytes
SELECT (SELECT max(video) FROM videos)::VARCHAR AS f
-- title: an alias of the same SELECT
-- error: query:1:38: small cast to VARCHAR: SQL has a reference to the medium, not its bytes; raw\(small\) in the SELECT list gives the training step the bytes
SELECT resize(video, 8, 8) AS small, small::VARCHAR AS f FROM videos
-- title: a correlated column
-- error: query:1:20: md5\(v\.video\) is not a hash of the bytes: SQL has a reference to the medium, not its bytes; hash a key of the row, e\.g\. md5\(_rowid::VARCHAR\)
SELECT (SELECT max(md5(v.video)) FROM captions) AS f FROM videos v
-- title: macros
SELECT video.clip(0, 2).at_fps(4) AS a, v.video.frames(3) AS b, raw(video) AS c, resize_short(center_crop(video, 4, 4), 8) AS d FROM videos v
-- title: in lists and structs
SELECT list(video ORDER BY id) AS a, {'v': video} AS b, [video] AS c, struct_pack(v := video) AS d, MAP(['a'], [video]) AS e FROM videos GROUP BY ALL
-- title: a field of a struct with media
SELECT {'v': video, 'n': id}.n AS a, s.n AS b FROM (SELECT {'v': video, 'n': id} AS s, video, id FROM videos)
-- title: unnest a list of media
SELECT unnest([image, thumbnail]) AS a, len([image]) AS n, [image] || [thumbnail] AS b FROM images
-- title: choices
SELECT COALESCE(thumbnail, image) AS a, CASE WHEN id > 3 THEN image ELSE thumbnail END AS b, if(id > 3, image, NULL) AS c FROM images
-- title: comparisons
SELECT a.id FROM videos a JOIN videos b ON a.video = b.video WHERE a.video IS NOT NULL AND a.video IS DISTINCT FROM b.video AND a.video <> b.video
-- title: aggregates, groups and order
SELECT video, count(video) AS a, max(video) AS b, arg_max(video, id) AS c FROM videos GROUP BY video HAVING count(*) > 1 ORDER BY video
-- title: DISTINCT and IN
SELECT DISTINCT video FROM videos WHERE video IN (SELECT video FROM videos WHERE motion > 1)
-- title: NULL as a medium
SELECT NULL::media AS a, video::media AS b, COALESCE(video, CAST(NULL AS media)) AS c, [video]::media[] AS d FROM videos
-- title: the type of a medium
SELECT typeof(video) AS t FROM videos
-- title: casts of other columns
SELECT id::VARCHAR AS a, md5(text) AS b, length(text) AS c, text || 'x' AS d FROM captions JOIN videos ON id = video_id
-- title: a column of that name that is no medium
SELECT video::VARCHAR AS a, md5(t.video::VARCHAR) AS b FROM (SELECT id AS video FROM videos) t
-- title: a column of that name in another table
SELECT o.video::VARCHAR AS a FROM videos v JOIN (SELECT id, 'x' AS video FROM images) o ON o.id = v.id
-- title: a table called like a column
SELECT video.id, video.width FROM videos AS video
-- title: a star of a table called like a column
SELECT video.* FROM videos AS video
-- title: a lambda's parameter called like a column
SELECT list_transform(tags, lambda video: md5(video)) AS a, [length(video) for video in tags] AS b FROM videos
-- title: fields of other structs
SELECT info.codec AS a, info['fps'] AS b, struct_extract(info, 'fps') AS c, info.* FROM videos
-- title: what is not known
SELECT m::VARCHAR AS a FROM (SELECT unnest([1, 2]) AS m)
-- title: UNPIVOT and PIVOT
SELECT picture FROM (UNPIVOT (SELECT id, image, thumbnail FROM images) ON image, thumbnail INTO NAME which VALUE picture)
