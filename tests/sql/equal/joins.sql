-- title: inner
SELECT v.id, v.video, c.text FROM videos v JOIN captions c ON c.video_id = v.id
-- title: left
SELECT v.id, v.video, c.text FROM videos v LEFT JOIN captions c ON c.video_id = v.id AND c.lang = 'en'
-- title: right
SELECT v.video, c.text FROM videos v RIGHT JOIN captions c ON c.video_id = v.id
-- title: full
SELECT v.id, v.video, i.image FROM videos v FULL JOIN images i ON i.video_id = v.id
-- title: cross
SELECT v.video, i.image FROM videos v CROSS JOIN images i WHERE v.id < 5
-- title: comma
SELECT v.id, c.text FROM videos v, captions c WHERE v.id = c.video_id AND v.motion > c.score
-- title: natural
SELECT * FROM (SELECT id, video FROM videos) NATURAL JOIN (SELECT video_id AS id, image FROM images)
-- title: natural over whole tables
SELECT * FROM (SELECT id, video FROM videos) NATURAL JOIN images
-- title: using
SELECT video_id, text, image FROM captions JOIN images USING (video_id)
-- title: full using
SELECT video_id, text, image FROM captions FULL JOIN images USING (video_id)
-- title: semi
SELECT id, video FROM videos SEMI JOIN captions ON captions.video_id = videos.id
-- title: anti
SELECT id, video FROM videos ANTI JOIN captions ON captions.video_id = videos.id
-- title: asof
SELECT v.id, v.created, i.ts, i.image FROM videos v ASOF JOIN (SELECT DISTINCT ON (ts) * FROM images ORDER BY ts, id) i ON v.created >= i.ts
-- title: asof left
SELECT v.id, i.ts, i.image FROM videos v ASOF LEFT JOIN (SELECT DISTINCT ON (ts) * FROM images ORDER BY ts, id) i ON v.created >= i.ts
-- title: positional
SELECT a.id, b.id AS other, a.image FROM (FROM images ORDER BY id) a POSITIONAL JOIN (FROM images ORDER BY id DESC) b
-- title: a table with itself
SELECT a.id, b.id AS other, a.video, b.video AS other_video FROM videos a JOIN videos b ON a.category = b.category AND a.id < b.id
-- title: pairs of media that are the same
SELECT a.id, b.id AS other FROM videos a JOIN videos b ON a.video = b.video
-- title: media of different columns are never the same
SELECT count(*) AS n FROM images a JOIN images b ON a.image = b.thumbnail
-- title: two media columns of one table
SELECT id, image, thumbnail FROM images
-- title: the first medium that is there
SELECT id, COALESCE(thumbnail, image) AS picture FROM images
-- title: a medium of one table or of another
SELECT v.id, CASE WHEN v.motion > 1 THEN v.video WHEN i.id % 2 = 0 THEN i.image ELSE i.thumbnail END AS medium FROM videos v LEFT JOIN images i ON i.video_id = v.id
-- title: a range of values
SELECT v.id, i.id AS image_id FROM videos v JOIN images i ON i.id BETWEEN v.id AND v.id + 2
-- title: not equal and NULL keys
SELECT v.id, c.text FROM videos v JOIN captions c ON c.video_id IS NOT DISTINCT FROM NULLIF(v.id, 5) WHERE v.id < 9
-- title: NaN as key
SELECT v.id, c.text FROM videos v JOIN captions c ON v.motion = c.score
-- title: three tables
SELECT v.id, c.text, i.image FROM videos v JOIN captions c ON c.video_id = v.id JOIN images i ON i.video_id = v.id
-- title: parentheses
SELECT v.id, c.text, i.image FROM videos v LEFT JOIN (captions c JOIN images i ON i.video_id = c.video_id) ON c.video_id = v.id
-- title: an empty table on the left
SELECT n.video, i.id FROM nothing n RIGHT JOIN images i ON n.id = i.id
-- title: an empty table on the right
SELECT i.id, i.image, n.video AS missing FROM images i LEFT JOIN nothing n ON n.id = i.id
-- title: top then join
SELECT t.id, t.video, c.text FROM (SELECT * FROM videos ORDER BY motion DESC NULLS LAST, id LIMIT 12) t JOIN captions c ON c.video_id = t.id
-- title: top then filter by a join on the key of the order
SELECT t.id FROM (SELECT id FROM videos ORDER BY id LIMIT 10) t JOIN captions c ON c.video_id = t.id WHERE c.video_id > 2
-- title: top then semi-join
SELECT id, video FROM (FROM videos ORDER BY id DESC LIMIT 9) WHERE id IN (SELECT video_id FROM captions)
-- title: a join key of another type
SELECT v.id, t.k FROM videos v JOIN types t ON v.id = t.i8
-- title: a keyword as name
SELECT o.id, o."Where", v.video FROM "order" o JOIN videos v USING (id)
-- title: unnest a list of structs
SELECT v.id, s.start_seconds, clip(v.video, s.start_seconds, s.stop_seconds) AS clip FROM videos v, UNNEST(v.scenes) AS t(s)
-- title: unnest in the list of a SELECT
SELECT id, unnest(scenes, recursive := true) FROM videos
-- title: left join lateral unnest
SELECT v.id, tag FROM videos v LEFT JOIN UNNEST(v.tags) AS t(tag) ON true
-- title: lateral subquery
SELECT v.id, best.image FROM videos v, LATERAL (SELECT image FROM images i WHERE i.video_id = v.id ORDER BY i.id LIMIT 1) best
-- title: numbered scenes
SELECT id, n, scenes[n] AS scene, video FROM videos, LATERAL (SELECT unnest(range(1, len(scenes) + 1)) AS n)
