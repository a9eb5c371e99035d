-- Squares of 224 pixels from the middle of each picture, as image models take them.
SELECT
    id,
    path,
    center_crop(resize_short(image, 224), 224, 224) AS picture
FROM my_images
WHERE kind = 'image'
