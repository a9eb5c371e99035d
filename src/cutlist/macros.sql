-- The decode functions: macros over media references. Each returns the reference with one more operation recorded;
-- nothing is decoded until a training step needs the sample. A NULL medium, or a NULL parameter, gives NULL.
--
-- How they are written (DuckDB 2.0): `struct_update(NULL, …)` would return a struct, so each body guards NULL. A body
-- repeats its medium `m`, which is the fastest for a few nested calls; beyond that, the engine binds `m` once (see
-- engine/databases.py). `ops` keeps the order of application, four bits each (media/reference.py has the codes). An
-- operation that was applied already shows in its own fields, and a second one is refused; only clips compose.

CREATE MACRO media_push(m, code, call, again) AS CASE
    WHEN (m.ops & 15) = 8 THEN error(call || ' after raw(): raw bytes are not decoded, so nothing can follow; drop one of the two')
    WHEN (m.ops & 15) = 13 THEN error(call || ' after as_file(): a file is not decoded, so nothing can follow; drop one of the two')
    WHEN again THEN error(call || ' is applied a second time to one medium (perhaps in a view); apply it once')
    WHEN m.sample_rate IS NOT NULL AND code NOT IN (1, 10)
        THEN error(call || ' after audio(): sound has no frames and no pixels; apply it to the video')
    ELSE m.ops * 16 + code END;

-- clip(video, start_seconds, stop_seconds): the frames (or sound samples) with start_seconds <= t < stop_seconds.
-- Seconds count from the start of its input, so a clip of a clip lies inside the first.
CREATE MACRO clip(m media, start_seconds DOUBLE, stop_seconds DOUBLE) AS
    (CASE
        WHEN m IS NULL OR start_seconds IS NULL OR stop_seconds IS NULL THEN NULL
        WHEN NOT (start_seconds >= 0 AND start_seconds < stop_seconds AND stop_seconds <= 'infinity'::DOUBLE) -- NaN is the greatest
            THEN error(format('clip(…, {}, {}): expected 0 <= start_seconds < stop_seconds', start_seconds, stop_seconds))
        WHEN m.random_seconds IS NOT NULL
            THEN error('clip() after random_clip(): clip first, then take a random part of the clip')
        WHEN m.start_seconds IS NULL THEN struct_update(m,
            ops := media_push(m, 1, 'clip()', false), start_seconds := start_seconds, stop_seconds := stop_seconds)
        WHEN m.fps IS NOT NULL OR m.num_frames IS NOT NULL
            THEN error('clip() after at_fps() or frames() of a clip: clip first, then choose its frames')
        WHEN m.start_seconds + start_seconds >= m.stop_seconds
            THEN error(format('clip(…, {}, {}) starts after the end of the {} s clip that it is taken from', start_seconds, stop_seconds, m.stop_seconds - m.start_seconds))
        ELSE struct_update(m,
            start_seconds := m.start_seconds + start_seconds,
            stop_seconds := least(m.stop_seconds, m.start_seconds + stop_seconds)) END)::media;

-- random_clip(video, seconds): that many seconds of its input, from a start that is drawn anew in each epoch; all of its
-- input where that is shorter. Of a clip, a part inside it. Frames and sound of one row get the same part.
CREATE MACRO random_clip(m media, seconds DOUBLE) AS
    (CASE
        WHEN m IS NULL OR seconds IS NULL THEN NULL
        WHEN NOT isfinite(seconds) OR seconds <= 0 THEN error(format('random_clip(…, {}): expected seconds > 0', seconds))
        WHEN m.fps IS NOT NULL OR m.num_frames IS NOT NULL
            THEN error('random_clip() after at_fps() or frames(): clip first, then choose its frames')
        ELSE struct_update(m, ops := media_push(m, 10, 'random_clip()', m.random_seconds IS NOT NULL), random_seconds := seconds) END)::media;

-- at_fps(video, fps): the frames shown at 0, 1/fps, 2/fps … seconds of its input.
CREATE MACRO at_fps(m media, fps DOUBLE) AS
    (CASE
        WHEN m IS NULL OR fps IS NULL THEN NULL
        WHEN NOT isfinite(fps) OR fps <= 0 THEN error(format('at_fps(…, {}): expected fps > 0', fps))
        ELSE struct_update(m, ops := media_push(m, 2, 'at_fps()', m.fps IS NOT NULL), fps := fps) END)::media;

-- frames(video, num_frames): that many frames, at the centres of as many equal parts of its input.
CREATE MACRO frames(m media, num_frames BIGINT) AS
    (CASE
        WHEN m IS NULL OR num_frames IS NULL THEN NULL
        WHEN num_frames < 1 THEN error(format('frames(…, {}): expected num_frames >= 1', num_frames))
        ELSE struct_update(m, ops := media_push(m, 7, 'frames()', m.num_frames IS NOT NULL), num_frames := num_frames::INTEGER) END)::media;

-- resize(media, width, height): to exactly that many pixels; the aspect ratio is not kept.
CREATE MACRO resize(m media, width BIGINT, height BIGINT) AS
    (CASE
        WHEN m IS NULL OR width IS NULL OR height IS NULL THEN NULL
        WHEN width < 1 OR height < 1 THEN error(format('resize(…, {}, {}): expected width and height >= 1', width, height))
        ELSE struct_update(m, ops := media_push(m, 3, 'resize()', m.width IS NOT NULL), width := width::INTEGER, height := height::INTEGER) END)::media;

-- resize_short(media, side): the shorter side becomes `side` pixels; the aspect ratio is kept.
CREATE MACRO resize_short(m media, side BIGINT) AS
    (CASE
        WHEN m IS NULL OR side IS NULL THEN NULL
        WHEN side < 1 THEN error(format('resize_short(…, {}): expected side >= 1', side))
        ELSE struct_update(m, ops := media_push(m, 4, 'resize_short()', m.side IS NOT NULL), side := side::INTEGER) END)::media;

-- crop(media, x, y, width, height): that rectangle, in pixels of its input, (0, 0) at the top left.
CREATE MACRO crop(m media, x BIGINT, y BIGINT, width BIGINT, height BIGINT) AS
    (CASE
        WHEN m IS NULL OR x IS NULL OR y IS NULL OR width IS NULL OR height IS NULL THEN NULL
        WHEN x < 0 OR y < 0 OR width < 1 OR height < 1
            THEN error(format('crop(…, {}, {}, {}, {}): expected x, y >= 0 and width, height >= 1', x, y, width, height))
        ELSE struct_update(m, ops := media_push(m, 5, 'crop()', m.crop_width IS NOT NULL),
            crop_x := x::INTEGER, crop_y := y::INTEGER, crop_width := width::INTEGER, crop_height := height::INTEGER) END)::media;

-- center_crop(media, width, height): the rectangle of that many pixels in the middle of its input.
CREATE MACRO center_crop(m media, width BIGINT, height BIGINT) AS
    (CASE
        WHEN m IS NULL OR width IS NULL OR height IS NULL THEN NULL
        WHEN width < 1 OR height < 1 THEN error(format('center_crop(…, {}, {}): expected width and height >= 1', width, height))
        ELSE struct_update(m, ops := media_push(m, 6, 'center_crop()', m.center_width IS NOT NULL),
            center_width := width::INTEGER, center_height := height::INTEGER) END)::media;

-- random_crop(media, width, height): a rectangle of that many pixels, at a place of its input drawn anew in each epoch.
-- Every frame of a video, and every random_crop in one row, has the same place, as a share of the room that it has.
CREATE MACRO random_crop(m media, width BIGINT, height BIGINT) AS
    (CASE
        WHEN m IS NULL OR width IS NULL OR height IS NULL THEN NULL
        WHEN width < 1 OR height < 1 THEN error(format('random_crop(…, {}, {}): expected width and height >= 1', width, height))
        ELSE struct_update(m, ops := media_push(m, 11, 'random_crop()', m.random_width IS NOT NULL),
            random_width := width::INTEGER, random_height := height::INTEGER) END)::media;

-- random_flip(media, probability := 0.5): mirrored left to right, or not, drawn anew in each epoch; all media of one row alike.
CREATE MACRO random_flip(m media, probability DOUBLE := 0.5) AS
    (CASE
        WHEN m IS NULL OR probability IS NULL THEN NULL
        WHEN NOT (probability BETWEEN 0 AND 1) THEN error(format('random_flip(…, {}): expected a probability from 0 to 1', probability))
        ELSE struct_update(m, ops := media_push(m, 12, 'random_flip()', m.flip_probability IS NOT NULL), flip_probability := probability) END)::media;

-- audio(media, sample_rate): the sound of a video, or of an audio file, at that many samples a second. It follows the
-- clip of its input, before or after; what was done to the picture, and which frames were chosen, leave it as it is.
CREATE MACRO audio(m media, sample_rate BIGINT) AS
    (CASE
        WHEN m IS NULL OR sample_rate IS NULL THEN NULL
        WHEN NOT (sample_rate BETWEEN 1000 AND 768000) THEN error(format('audio(…, {}): expected a sample_rate from 1000 to 768000', sample_rate))
        ELSE struct_update(m, ops := media_push(m, 9, 'audio()', m.sample_rate IS NOT NULL), sample_rate := sample_rate::INTEGER) END)::media;

-- raw(media): the stored bytes, not decoded.
CREATE MACRO raw(m media) AS
    (CASE
        WHEN m IS NULL THEN NULL
        WHEN m.ops <> 0 THEN error('raw() after another operation: raw bytes are the stored ones; drop one of the two')
        ELSE struct_update(m, ops := 8::UBIGINT) END)::media;

-- as_file(media): the stored bytes as an open file, of which only what is asked for is read; for featurizers and row
-- processors that do with a header, or go through files that are too large for memory.
CREATE MACRO as_file(m media) AS
    (CASE
        WHEN m IS NULL THEN NULL
        WHEN m.ops <> 0 THEN error('as_file() after another operation: its bytes are the stored ones; drop one of the two')
        ELSE struct_update(m, ops := 13::UBIGINT) END)::media;

-- split(key, name, fraction): whether a key belongs to the split of that name, which has that fraction of all keys.
-- Decided by the key and the name alone, so the same for ever: for other rows, other tables, other versions. Splits of
-- different names are independent, and may overlap; for disjoint ones: CASE WHEN split(id, 'test', 0.01) THEN 'test'
-- WHEN split(id, 'val', 0.01) THEN 'val' ELSE 'train' END. A larger fraction has the keys of a smaller one, and more.
-- A NULL key is in no split and in no rest: NULL.
--
-- How: the first 8 bytes of MD5(name || ':' || key as text), little-endian, their upper 53 bits as a share of 2^53.
-- With two arguments it is DuckDB's own split(text, separator).
CREATE MACRO split(key, name) AS string_split(key, name),
    (key, name, fraction) AS
    CASE WHEN NOT (fraction BETWEEN 0 AND 1)
        THEN error(format('split(…, {}, {}): expected a fraction from 0 to 1', name, fraction))
    ELSE (md5_number_upper(name || ':' || key::VARCHAR) >> 11)::DOUBLE < fraction::DOUBLE * 9007199254740992 END;

-- sample(key, fraction): that fraction of all keys; the same ones for ever, and those of a smaller fraction among them.
CREATE MACRO sample(key, fraction) AS
    CASE WHEN NOT (fraction BETWEEN 0 AND 1)
        THEN error(format('sample(…, {}): expected a fraction from 0 to 1', fraction))
    ELSE split(key, 'sample', fraction) END;

-- The buckets of a training set: which of a few lengths, sizes and shapes a sample comes nearest to. Decided by its numbers
-- alone, of any type, so the same for ever. A number that is NULL, not positive or not finite gives NULL. Joined by
-- resolution_bucket(width, height) || '-' || aspect_bucket(width, height) || '-' || frame_bucket(num_frames) || 'f', a
-- name is '720p-16x9-33f'.

-- frame_bucket(num_frames): the largest of 1, 5, 9 … 129 that is at most num_frames. Less than 1: NULL.
--
-- Source: Open-Sora 2.0, configs/diffusion/train/stage1.py (the ladder) and opensora/datasets/bucket.py (the rule; it drops
-- videos of 2 to 4 frames, which are 1 here). It is 4k + 1 because a causal video VAE makes one latent of the first frame
-- and one of every 4 after it; musubi-tuner, docs/dataset_config.md, trims to the same numbers.
CREATE MACRO frame_bucket(num_frames DOUBLE) AS
    CASE WHEN num_frames >= 1 AND num_frames < 'infinity'::DOUBLE
        THEN (1 + 4 * floor((least(num_frames, 129) - 1) * 0.25))::INTEGER END;

-- resolution_bucket(width, height): the largest of 144p, 240p, 360p, 480p, 720p, 1080p, 1440p and 2160p of which width *
-- height is at least 0.8 of the area at 16:9. Smaller than that of 144p: NULL. Only the area counts, not the shape:
-- 1280 × 720, 720 × 1280 and 960 × 960 are 720p, and 640 × 480 is 360p.
--
-- Source: Open-Sora 2.0, opensora/datasets/bucket.py (0.8, from the largest down) and aspect.py (the area of Np is
-- N * N * 16 / 9, so the bounds are N * N * 64 / 45). The ladder is that of aspect.py before 2.0, with its 2k and 4k as
-- 1440p and 2160p.
CREATE MACRO resolution_bucket(width DOUBLE, height DOUBLE) AS
    CASE
        WHEN NOT (least(width, height) > 0 AND greatest(width, height) < 'infinity'::DOUBLE) THEN NULL
        WHEN width * height >= 6635520 THEN '2160p'
        WHEN width * height >= 2949120 THEN '1440p'
        WHEN width * height >= 1658880 THEN '1080p'
        WHEN width * height >= 737280 THEN '720p'
        WHEN width * height >= 327680 THEN '480p'
        WHEN width * height >= 184320 THEN '360p'
        WHEN width * height >= 81920 THEN '240p'
        WHEN width * height >= 29491.2 THEN '144p' END;

-- aspect_bucket(width, height): the nearest of 21x9, 16x9, 3x2, 4x3, 1x1, 3x4, 2x3, 9x16 and 9x21 by the logarithm of
-- width / height, so that portrait mirrors landscape. What is wider or taller than all has the nearest all the same; to
-- leave it out as Open-Sora 2.0 does, WHERE width BETWEEN height / 3 AND height * 3.
--
-- Source: the five of Cosmos-Curate, cosmos_curate/core/utils/dataset/dimensions.py, with 3:2 and 21:9 and their mirrors
-- from Open-Sora before 2.0, opensora/datasets/aspect.py; nearest by the logarithm as in diffusion-pipe, utils/dataset.py.
-- How: the bound between two neighbours is their geometric mean. Each is irrational, so no size in whole pixels is on one,
-- and the answer is exact for sides of up to 8 million; DOUBLEs that round to a bound are in the one further from 1x1.
CREATE MACRO aspect_bucket(width DOUBLE, height DOUBLE) AS
    CASE
        WHEN NOT (least(width, height) > 0 AND greatest(width, height) < 'infinity'::DOUBLE) THEN NULL
        WHEN width >= 2.0367003088692623 * height THEN '21x9' -- √(21/9 × 16/9)
        WHEN width >= 1.632993161855452 * height THEN '16x9' -- √(16/9 × 3/2)
        WHEN width >= 1.4142135623730951 * height THEN '3x2' -- √(3/2 × 4/3)
        WHEN width >= 1.1547005383792515 * height THEN '4x3' -- √(4/3 × 1)
        WHEN height < 1.1547005383792515 * width THEN '1x1'
        WHEN height < 1.4142135623730951 * width THEN '3x4'
        WHEN height < 1.632993161855452 * width THEN '2x3'
        WHEN height < 2.0367003088692623 * width THEN '9x16'
        WHEN height >= 2.0367003088692623 * width THEN '9x21' END;

-- The lists that featurizers keep of each video: reduced in a query, so that a threshold can be another tomorrow.

-- share_at_least(per_frame, threshold): the share, 0 to 1, of a list's numbers that are at least the threshold, for votes
-- of frames: share_at_least(sharpness_per_frame, 200) > 0.5. NULLs in the list do not vote; of none, NULL.
--
-- Source: Open-Sora 2.0, arXiv 2503.09642 (blur: the majority of five frames).
CREATE MACRO share_at_least(per_frame, threshold) AS
    list_avg(list_transform(per_frame, lambda each: (each >= threshold)::INTEGER));

-- frames_between(per_frame, fps, start_seconds, stop_seconds): the part of a list, with a value for each frame, that is of
-- the frames with start_seconds <= t < stop_seconds, as clip() has them; frame i, from 0, is at i / fps, so a video whose
-- frame rate varies has them about there. For measures of scenes: list_avg(frames_between(motion_per_frame, fps, …)).
--
-- How: a time within a thousandth of a frame after a frame's is taken for it, as start_seconds of a scene is rounded.
CREATE MACRO frames_between(per_frame, fps, start_seconds, stop_seconds) AS
    CASE
        WHEN per_frame IS NULL OR fps IS NULL OR start_seconds IS NULL OR stop_seconds IS NULL THEN NULL
        WHEN NOT (fps > 0 AND start_seconds >= 0 AND start_seconds < stop_seconds AND isfinite(fps)) -- NaN is the greatest
            THEN error(format('frames_between(…, {}, {}, {}): expected fps > 0 and 0 <= start_seconds < stop_seconds',
                fps::DOUBLE, start_seconds::DOUBLE, stop_seconds::DOUBLE))
        ELSE list_slice(per_frame,
            1 + least(ceil(start_seconds::DOUBLE * fps - 0.001), len(per_frame))::BIGINT,
            least(ceil(stop_seconds::DOUBLE * fps - 0.001), len(per_frame))::BIGINT) END;

-- split_spans(spans, seconds): the spans of a list, such as scenes, cut into pieces of that many seconds, each from the
-- start of its span, the last one what is left; for UNNEST. Pieces that are too short are for WHERE to leave out.
--
-- Source: EasyAnimate, easyanimate/video_caption/video_splitting.py (scenes over 10 s in pieces of 10 s).
CREATE MACRO split_spans(spans, seconds) AS
    CASE WHEN NOT (seconds > 0 AND isfinite(seconds))
        THEN error(format('split_spans(…, {}): expected seconds > 0', seconds::DOUBLE))
    ELSE flatten(list_transform(spans, lambda span: list_transform(
        range(ceil((span.stop_seconds - span.start_seconds) / seconds)::BIGINT),
        lambda piece: {
            'start_seconds': span.start_seconds + piece * seconds::DOUBLE,
            'stop_seconds': least(span.stop_seconds, span.start_seconds + (piece + 1) * seconds::DOUBLE)}))) END;

-- Search.

-- similarity(embedding, other): the cosine of the angle between two vectors, -1 to 1, higher for what is more alike; NULL
-- where one of them is NULL or has no direction (all zeros, a NaN or an infinity). The other one is a vector, or a text,
-- similarity(clip_embedding, 'a cat on a sofa'), or an image, similarity(clip_embedding, image_file('cat.jpg')): then the
-- featurizer that made the column turns it into one, once, when the query is compiled.
CREATE MACRO similarity(embedding, other) AS nullif(array_cosine_similarity(embedding, other), 'nan'::FLOAT);

-- text_words(text): its words, in order and in lower case. A word is what stands between white space, punctuation, symbols
-- and control characters; letters keep their accents, and there are no stems: "Red cars' T-shirt" has red, cars, t, shirt.
--
-- How: lower() makes i of İ, where Unicode, and the full-text index, have i and a dot above. The ranges are letters in
-- circles and squares, which the index takes for letters. What this takes for the end of a word, the index does too.
CREATE MACRO text_words(text VARCHAR) AS regexp_extract_all(lower(replace(text, 'İ', 'i̇')),
    '(?:[^\p{Z}\p{P}\p{S}\p{Cc}\p{Cf}\p{Co}]|[\x{24B6}-\x{24E9}\x{1F130}-\x{1F149}\x{1F150}-\x{1F169}\x{1F170}-\x{1F189}])+');

-- matches(text, words): whether a text has all of some words, in any order: matches(caption, 'red car') is true for "A car,
-- painted RED", and not for "red cars". Of no words at all it is true. What index of the text there is makes no difference
-- but that of time: `cutlist index videos caption --kind INVERTED`.
CREATE MACRO matches(text VARCHAR, words VARCHAR) AS list_has_all(text_words(text), text_words(words));
