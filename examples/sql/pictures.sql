-- Pictures of about 4096 pixels, a shape for each bucket, as videos of one frame.
SELECT
    id,
    caption,
    bucket,
    CASE bucket
        WHEN 'wide' THEN resize(center_crop(image, (height * 1.5)::INTEGER, height), 72, 48)
        WHEN 'tall' THEN resize(center_crop(image, width, (width * 1.5)::INTEGER), 48, 72)
        ELSE resize(center_crop(image, least(width, height), least(width, height)), 64, 64)
    END AS frames
FROM (
    SELECT *, CASE WHEN width >= height * 1.5 THEN 'wide' WHEN height >= width * 1.5 THEN 'tall' ELSE 'square' END AS bucket
    FROM my_images
    WHERE caption IS NOT NULL
)
