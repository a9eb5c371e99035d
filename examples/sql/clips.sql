-- Four frames of a random second of each video, a shape for each bucket.
SELECT
    id,
    caption,
    CASE WHEN width >= height THEN 'wide' ELSE 'tall' END AS bucket,
    CASE WHEN width >= height
        THEN resize(frames(random_clip(video, 1), 4), 72, 48)
        ELSE resize(frames(random_clip(video, 1), 4), 48, 72)
    END AS frames
FROM my_videos
WHERE caption IS NOT NULL AND duration_seconds >= 1
