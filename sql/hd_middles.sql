-- The middle of each HD video: in and out points are data, a pair for each row.
SELECT
    id,
    duration_seconds,
    resize_short(clip(video, duration_seconds * 0.25, duration_seconds * 0.75), 256) AS middle
FROM hd
WHERE duration_seconds > 0.5
