-- title: clip that ends before it starts
-- match: clip\(…, 2\.0, 1\.0\): expected 0 <= start_seconds < stop_seconds
SELECT clip(video, 2, 1) AS f FROM videos
-- title: clip of nothing
-- match: clip\(…, 1\.0, 1\.0\): expected 0 <= start_seconds < stop_seconds
SELECT clip(video, 1, 1) AS f FROM videos
-- title: clip before the start
-- match: clip\(…, -1\.0, 1\.0\): expected 0 <= start_seconds
SELECT clip(video, -1, 1) AS f FROM videos
-- title: clip until NaN
-- match: clip\(…, 0\.0, nan\): expected
SELECT clip(video, 0, 'nan'::DOUBLE) AS f FROM videos
-- title: clip from infinity
-- match: clip\(…, inf, inf\): expected
SELECT clip(video, 'inf'::DOUBLE, 'inf'::DOUBLE) AS f FROM videos
-- title: clip after the end of a clip
-- match: clip\(…, 2\.0, 3\.0\) starts after the end of the 2\.0 s clip that it is taken from
SELECT video.clip(0, 2).clip(2, 3) AS f FROM videos
-- title: clip after at_fps of a clip
-- match: clip\(\) after at_fps\(\) or frames\(\) of a clip: clip first
SELECT video.clip(0, 2).at_fps(4).clip(0, 1) AS f FROM videos
-- title: resize twice
-- match: resize\(\) is applied a second time to one medium \(perhaps in a view\); apply it once
SELECT resize(resize(video, 8, 8), 9, 9) AS f FROM videos
-- title: at_fps twice
-- match: at_fps\(\) is applied a second time
SELECT video.at_fps(2).at_fps(3) AS f FROM videos
-- title: frames twice
-- match: frames\(\) is applied a second time
SELECT video.frames(2).frames(3) AS f FROM videos
-- title: resize_short twice
-- match: resize_short\(\) is applied a second time
SELECT video.resize_short(2).resize_short(3) AS f FROM videos
-- title: crop twice
-- match: crop\(\) is applied a second time
SELECT image.crop(0, 0, 2, 2).crop(0, 0, 1, 1) AS f FROM images
-- title: center_crop twice
-- match: center_crop\(\) is applied a second time
SELECT image.center_crop(2, 2).center_crop(1, 1) AS f FROM images
-- title: an operation after raw
-- match: resize\(\) after raw\(\): raw bytes are not decoded
SELECT resize(raw(image), 8, 8) AS f FROM images
-- title: clip after raw
-- match: clip\(\) after raw\(\)
SELECT video.raw().clip(0, 1) AS f FROM videos
-- title: raw after an operation
-- match: raw\(\) after another operation: raw bytes are the stored ones
SELECT raw(resize(image, 8, 8)) AS f FROM images
-- title: raw twice
-- match: raw\(\) after another operation
SELECT raw(raw(image)) AS f FROM images
-- title: no frames a second
-- match: at_fps\(…, 0\.0\): expected fps > 0
SELECT at_fps(video, 0) AS f FROM videos
-- title: no frames
-- match: frames\(…, 0\): expected num_frames >= 1
SELECT frames(video, 0) AS f FROM videos
-- title: no width
-- match: resize\(…, 0, 8\): expected width and height >= 1
SELECT resize(video, 0, 8) AS f FROM videos
-- title: no side
-- match: resize_short\(…, -1\): expected side >= 1
SELECT resize_short(video, -1) AS f FROM videos
-- title: a crop that starts outside
-- match: crop\(…, -1, 0, 2, 2\): expected x, y >= 0 and width, height >= 1
SELECT crop(image, -1, 0, 2, 2) AS f FROM images
-- title: no center_crop
-- match: center_crop\(…, 0, 0\): expected width and height >= 1
SELECT center_crop(image, 0, 0) AS f FROM images
-- title: too few arguments
-- match: Macro clip\(\) does not support the supplied arguments.*clip\(m media, start_seconds DOUBLE, stop_seconds DOUBLE\)
SELECT clip(video) AS f FROM videos
-- title: an argument of an unknown name
-- match: Macro clip\(\) does not support the supplied arguments
SELECT clip(video, 0, end_seconds := 3) AS f FROM videos
-- title: what is no medium
-- match: Macro resize\(\) does not support the supplied arguments.*resize\(m media, 
SELECT resize(id, 8, 8) AS f FROM videos
-- title: md5 of a medium
-- match: query:1:8: md5\(video\) is not a hash of the bytes: SQL has a reference to the medium
SELECT md5(video) AS f FROM videos
-- title: a medium as BLOB
-- match: query:1:8: video cast to BLOB: SQL has a reference to the medium, not its bytes; raw\(video\)
SELECT video::BLOB AS f FROM videos
-- title: a medium as text
-- match: query:1:8: video cast to VARCHAR: SQL has a reference to the medium, not its bytes; raw\(video\)
SELECT video::VARCHAR AS f FROM videos
-- title: a medium beside text
-- match: query:1:8: video \|\| 'x' takes video for text: SQL has a reference
SELECT video || 'x' AS f FROM videos
-- title: a reference of which a field's type is changed
-- match: query:1:8: struct_update\(video, row := 5\) changes a media reference by hand; write clip
SELECT struct_update(video, row := 5) AS f FROM videos
-- title: a reference of which the fields are put in another struct
-- match: query:1:8: struct_concat\({'a': id}, video\) takes a media reference apart, whose fields are no columns; select video itself
SELECT struct_concat({'a': id}, video) AS s FROM videos
-- title: a reference of which the fields are put in another struct, in a chain
-- match: query:1:18: {'a': id}\.struct_concat\(v\.video\) takes a media reference apart
SELECT {'a': id}.struct_concat(v.video) AS s FROM videos v
-- title: a reference of which some fields are taken
-- match: query:1:8: remap_struct\(video, .* changes a media reference by hand
SELECT remap_struct(video, NULL::STRUCT(r UBIGINT), {'r': 'row'}, NULL) AS s FROM videos
-- title: a reference to a column that is not there
-- match: cast to media: a media reference cannot be made by hand; select a media column
SELECT {'source': 9, 'row': 1, 'ops': 0}::media AS f FROM videos
-- title: a subquery as parameter of one of four calls
-- match: cannot be a subquery or UNNEST; compute it in FROM, e.g. SELECT clip
SELECT id, clip(video, (SELECT min(seconds) FROM captions c WHERE c.video_id = v.id), 99).at_fps(2).resize(3, 4).crop(0, 0, 1, 1) AS span FROM videos v
-- title: unnest as parameter of one of four calls
-- match: query: UNNEST not supported here
SELECT id, clip(video, unnest([0, 1, 2]), 9).at_fps(2).resize(3, 4).crop(0, 0, 1, 1) AS span FROM videos
-- title: a random clip of nothing
-- match: random_clip\(…, 0\.0\): expected seconds > 0
SELECT random_clip(video, 0) AS f FROM videos
-- title: a random clip twice
-- match: random_clip\(\) is applied a second time
SELECT video.random_clip(4).random_clip(2) AS f FROM videos
-- title: a clip of a random clip
-- match: clip\(\) after random_clip\(\): clip first, then take a random part of the clip
SELECT video.random_clip(4).clip(0, 2) AS f FROM videos
-- title: a random clip of frames
-- match: random_clip\(\) after at_fps\(\) or frames\(\): clip first, then choose its frames
SELECT video.frames(4).random_clip(1) AS f FROM videos
-- title: a random crop of nothing
-- match: random_crop\(…, 8, 0\): expected width and height >= 1
SELECT random_crop(video, 8, 0) AS f FROM videos
-- title: a random crop twice
-- match: random_crop\(\) is applied a second time
SELECT video.random_crop(9, 9).random_crop(8, 8) AS f FROM videos
-- title: a random flip twice
-- match: random_flip\(\) is applied a second time
SELECT video.random_flip().random_flip() AS f FROM videos
-- title: a probability above 1
-- match: random_flip\(…, 1\.5\): expected a probability from 0 to 1
SELECT random_flip(video, 1.5) AS f FROM videos
-- title: a rate of kilohertz
-- match: audio\(…, 16\): expected a sample_rate from 1000 to 768000
SELECT audio(video, 16) AS f FROM videos
-- title: sound twice
-- match: audio\(\) is applied a second time
SELECT video.audio(8000).audio(16000) AS f FROM videos
-- title: pixels of sound
-- match: resize\(\) after audio\(\): sound has no frames and no pixels; apply it to the video
SELECT video.audio(16000).resize(8, 8) AS f FROM videos
-- title: a clip of sound that was cut at random
-- match: clip\(\) after random_clip\(\)
SELECT video.random_clip(2).audio(16000).clip(0, 1) AS f FROM videos
