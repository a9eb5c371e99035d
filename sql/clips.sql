-- One second from the start of each video, as eight small frames of one size: every batch is one tensor.
SELECT
    id,
    path,
    video.clip(0, 1).resize(112, 64).frames(8) AS frames
FROM my_videos
WHERE kind = 'video'
