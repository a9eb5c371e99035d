-- title: clip
SELECT id, clip(video, 0.5, 2) AS frames FROM videos
-- title: named arguments
SELECT clip(video, start_seconds := 0, stop_seconds := 1.5) AS a, frames(video, num_frames := 8) AS b FROM videos
-- title: dots
SELECT video.clip(0, 2).at_fps(8).resize(256, 256) AS frames FROM videos
-- title: dots after a qualified name
SELECT v.video.clip(0, 2).resize_short(64) AS frames FROM videos v
-- title: the order of operations
SELECT video.resize(64, 64).crop(0, 0, 32, 32) AS a, video.crop(0, 0, 32, 32).resize(64, 64) AS b FROM videos
-- title: a clip of a clip
SELECT video.clip(1, 3).clip(0.5, 10) AS frames FROM videos
-- title: a clip of a view that clips
SELECT id, clip(clip, 0.25, 1).center_crop(32, 32) AS frames FROM "clips/short"
-- title: parameters from columns
SELECT clip(video, duration_seconds / 3, duration_seconds / 2) AS middle, resize(video, width, height) AS scaled FROM videos
-- title: NULL media and NULL parameters
SELECT id, resize(video, width, NULL) AS a, clip(NULL, 0, 1) AS b, clip(video, motion, 100) IS NULL AS c FROM videos WHERE motion IS NULL OR (motion >= 0 AND motion < 50)
-- title: after an outer join
SELECT c.text, resize(v.video, 32, 32) AS frames FROM captions c LEFT JOIN videos v ON v.id = c.video_id
-- title: over COALESCE and CASE
SELECT resize(COALESCE(i.image, i.thumbnail), 8, 8) AS a, center_crop(CASE WHEN i.id % 2 = 0 THEN image END, 4, 4) AS b FROM images i
-- title: over an aggregate
SELECT category, clip(arg_max(video, id), 0, 1) AS best FROM videos GROUP BY category
-- title: aggregates as parameters
SELECT v.id, clip(any_value(v.video), min(c.seconds), max(c.seconds) + 1) AS span FROM videos v JOIN captions c ON c.video_id = v.id GROUP BY v.id
-- title: a window as parameter
SELECT v.id, clip(v.video, row_number() OVER (PARTITION BY v.id ORDER BY c._rowid), 99) AS span FROM videos v JOIN captions c ON c.video_id = v.id
-- title: in a list of all
SELECT category, list(resize(video, 16, 16) ORDER BY id) AS small FROM videos GROUP BY category
-- title: raw
SELECT id, raw(image) AS bytes FROM images
-- title: different operations in each row
SELECT id, CASE WHEN id % 2 = 0 THEN resize(video, 8, 8) WHEN id % 3 = 0 THEN clip(video, 0, 1) ELSE video END AS frames FROM videos
-- title: every operation
SELECT video.clip(0, 2).at_fps(4).resize(64, 48).center_crop(32, 32) AS a, video.frames(3).resize_short(32).crop(1, 2, 3, 4) AS b FROM videos
-- title: six deep
SELECT video.clip(0, 9).clip(1, 8).clip(1, 7).at_fps(2).resize(9, 9).crop(0, 0, 4, 4) AS a FROM videos
-- title: operations tell references apart
SELECT DISTINCT frames FROM (SELECT video.resize(8, 8) AS frames FROM videos UNION ALL SELECT video FROM videos)
-- title: in capitals
SELECT RESIZE(Video, 8, 8) AS a, Video.Clip(0, 1) AS b FROM VIDEOS
-- title: integers and decimals as seconds
SELECT clip(video, 1, 2.5) AS a, clip(video, id, id + 1) AS b FROM videos
-- title: fields of a clip
SELECT id, clip(video, 0, 2).stop_seconds AS stop, resize(video, 3, 4).width AS w FROM videos
-- title: in WHERE
SELECT id FROM videos WHERE clip(video, 0, id).stop_seconds > 5
-- title: scenes of two seconds
SELECT resize(clip(v.video, s.start_seconds, s.start_seconds + 2.0), 256, 256) AS frames, c.text AS caption FROM videos v, UNNEST(v.scenes) AS t(s) JOIN captions c ON c.video_id = v.id WHERE v.height * v.width >= 640 * 480 AND v.motion > 0
-- title: a subquery as parameter
SELECT id, clip(video, (SELECT min(seconds) FROM captions c WHERE c.video_id = v.id), 99) AS span FROM videos v
-- oracle:
SELECT id, clip(video, s, 99) AS span FROM (SELECT *, (SELECT min(seconds) FROM captions c WHERE c.video_id = v.id) AS s FROM videos v)
-- title: unnest as parameter
SELECT id, clip(video, unnest([0, 1, 2]), 9) AS span FROM videos
-- oracle:
SELECT id, clip(video, s, 9) AS span FROM (SELECT *, unnest([0, 1, 2]) AS s FROM videos)
-- title: two dozen calls
SELECT video.clip(0, 2).resize(1, 8) AS c0, video.clip(1, 3).resize(2, 8) AS c1, video.clip(2, 4).resize(3, 8) AS c2, video.clip(3, 5).resize(4, 8) AS c3, video.clip(4, 6).resize(5, 8) AS c4, video.clip(5, 7).resize(6, 8) AS c5, video.clip(6, 8).resize(7, 8) AS c6, video.clip(7, 9).resize(8, 8) AS c7, video.clip(8, 10).resize(9, 8) AS c8, video.clip(9, 11).resize(10, 8) AS c9, video.clip(10, 12).resize(11, 8) AS c10, video.clip(11, 13).resize(12, 8) AS c11 FROM videos
-- title: random operations and sound
SELECT id, video.clip(0, 9).random_clip(2).random_crop(16, 16).random_flip() AS frames, video.clip(0, 9).random_clip(2).audio(16000) AS sound FROM videos
-- title: random operations by name, over NULL
SELECT random_crop(video, width := width // 2, height := NULL) AS a, random_flip(video, probability := 0.25) AS b, audio(video, sample_rate := 8000) AS c, random_clip(video, seconds := motion + 0.5) AS d FROM videos WHERE motion IS NULL OR motion BETWEEN 0 AND 50
