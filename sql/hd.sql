-- Videos of at least full-HD area, upright ones too.
SELECT *
FROM my_videos
WHERE height * width >= 1080 * 1920
