-- Videos of at least 720 lines, with room for
-- a second line of description.
SELECT id, video, width, height, motion, category FROM videos WHERE height >= 720
