-- A table for a model that makes video of text, pictures and structure, as Gen-1 is: each video with its prompt, its
-- embedding, its depth maps, and its resolution, frame rate and duration.
--
-- After "Structure and Content-Guided Video Synthesis with Diffusion Models", arXiv 2302.03011: content is a CLIP
-- embedding, structure is depth. From raw clips, with captions in a CSV file:
--     cutlist ingest clips/ --table my_videos --metadata captions.csv
--     cutlist backfill my_videos clip_embedding
--     cutlist backfill my_videos depth --with num_frames=8
-- To train on it: Loader("SELECT frames(video, 8).resize(256, 256) AS frames, * EXCLUDE (video) FROM gen1"); the eight
-- depth maps are of the eight frames.
SELECT
    id,
    video,
    caption AS prompt,
    clip_embedding AS embedding, -- another model's by this line alone: `clip_l14 AS embedding`
    depth AS depth_maps,
    width,
    height,
    fps,
    duration_seconds
FROM my_videos
WHERE video IS NOT NULL AND prompt IS NOT NULL AND embedding IS NOT NULL AND depth_maps IS NOT NULL
