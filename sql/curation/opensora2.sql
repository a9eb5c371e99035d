-- Open-Sora 2.0's filters: pieces of up to 8 seconds of one scene, without black borders, at most 30 frames a second.
--
-- Source: "Open-Sora 2.0: Training a Commercial-Level Video Generation Model in $200k", arXiv 2503.09642; where it gives
-- no number, the line says whose it is. Features: scenes, motion, sharpness, black_borders; a video that lacks one is left
-- out.
--
-- Not here: it drops H.264 of the Constrained Baseline profile, which no probe tells; and, with models that are not
-- built in, each a line to add to the inner WHERE once its column is there (the names are yours):
--     AND aesthetic >= 4.5      -- mean of the first, middle and last frame; most of its videos have 4.5 to 5.5
--     AND text_area <= 0.02     -- of OCR boxes with a confidence over 0.7; the number is EasyAnimate's
-- Jitter, there PySceneDetect's mean change of a frame, is list_avg(scene_scores_per_frame) by FFmpeg's measure; it has
-- no published number for that.
SELECT
    id,
    start_seconds,
    stop_seconds,
    motion, -- of the piece: Open-Sora 2.0 appends it to the caption
    resize(
        CASE WHEN fps > 30 THEN at_fps(piece, 30) ELSE piece END, -- at most 30 frames a second
        (2 * round(crop_width * scale / 2))::BIGINT,
        (2 * round(crop_height * scale / 2))::BIGINT
    ) AS frames
FROM (
    SELECT
        id,
        fps,
        crop_width,
        crop_height,
        part.start_seconds AS start_seconds,
        part.stop_seconds AS stop_seconds,
        crop( -- black borders off
            clip(video, part.start_seconds, part.stop_seconds), crop_x, crop_y, crop_width, crop_height
        ) AS piece,
        least(1, 1080 / greatest(crop_width, crop_height)) AS scale, -- the long side at most 1080, both even
        -- VMAF motion; the first frame is left out, as it is compared with one of another piece
        list_avg(frames_between(motion_per_frame, fps, part.start_seconds, part.stop_seconds)[2:]) AS motion
    FROM my_videos, UNNEST(split_spans(scenes, 8)) AS pieces(part) -- at most 8 s
    WHERE
        part.stop_seconds - part.start_seconds >= 2 -- at least 2 s
        AND fps >= 16 -- at least 16 frames a second
        AND width BETWEEN height / 3 AND height * 3 -- aspect ratio 1/3 to 3
        AND bit_rate >= 0.02 * fps * width * height -- 0.02 bits a pixel; the bit rate is the file's, with its sound
        AND share_at_least(sharpness_per_frame, 200) > 0.5 -- Laplacian, most of 5 frames of the video; 200 is MUG-V's
)
WHERE
    motion >= 2 -- the number is Movie Gen's (arXiv 2410.13720), as Open-Sora 2.0 gives none
    AND motion <= 30 -- two-sided; Open-Sora 2.0 gives no number: take one from quantile_cont(motion, 0.95)
