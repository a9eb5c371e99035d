-- A funnel like Wan 2.1's, stage 1 of 3: scenes of sound technical quality, black borders off.
--
-- Source: the stages are those of "Wan: Open and Advanced Large-Scale Video Generative Models", arXiv 2503.20314: first
-- what is measured of each file, then visual quality, then motion. It publishes few thresholds, so each line says whose it
-- is; for most of them a survey of the reports was read, not the report. Features: scenes, motion, sharpness, luminance,
-- black_borders.
--
-- Not here, as the models are not built in; each a line to add once its column is there (the names are yours):
--     AND text_area <= 0.02     -- OCR; Goku's, 0.01 for 720p
--     AND aesthetic >= 4.3      -- LAION; Goku's, 4.5 for 720p
--     AND watermark <= 0.2      -- mean over the frames; finetrainers'
--     AND nsfw <= 0.5           -- Data-Juicer's
-- nor its filter of synthetic pictures, its clusters, and its expert scores of quality from 1 to 5.
SELECT
    id,
    part.start_seconds AS start_seconds,
    part.stop_seconds AS stop_seconds,
    width,
    height,
    bit_rate,
    luminance,
    motion_vectors_mean,
    motion_vectors_patch_min,
    list_avg(frames_between(motion_per_frame, fps, part.start_seconds, part.stop_seconds)[2:]) AS motion, -- of the scene
    crop( -- Wan 2.1 cuts black borders off
        clip(video, part.start_seconds, part.stop_seconds), crop_x, crop_y, crop_width, crop_height
    ) AS frames -- for training: random_clip(frames, 5)
FROM my_videos, UNNEST(scenes) AS spans(part)
WHERE
    part.stop_seconds - part.start_seconds > 4 -- Wan 2.1
    AND least(width, height) >= 480 -- Goku
    AND fps >= 24 -- Goku
    AND bit_rate >= 500000 -- Goku; the bit rate is that of the file, with its sound
    AND border_share <= 0.4 -- HunyuanVideo: cropped where 60 % of the area is left, else dropped
    AND luminance BETWEEN 20 AND 180 -- Allegro; Wan 2.1 drops what is over-exposed
    AND share_at_least(sharpness_per_frame, 200) > 0.5 -- MUG-V: Laplacian 200 to 2000; Wan 2.1 drops what is blurred
    AND share_at_least(sharpness_per_frame, 2000) <= 0.5 -- MUG-V
