-- title: a comma
-- warning: query:1:36: nothing relates c to v, so each row of one meets each row of the other; write JOIN captions c ON …, or CROSS JOIN captions c if that is meant
SELECT v.id, c.text FROM videos v, captions c
-- title: a comma and conditions on each
-- warning: query:1:36: nothing relates c to v, so each row of one meets each row of the other; write JOIN captions c ON …, or CROSS JOIN captions c if that is meant
SELECT v.id, c.text FROM videos v, captions c WHERE v.motion > 1 AND c.lang = 'en'
-- title: the third of three
-- warning: query:1:37: nothing relates images to v or c, so each row of one meets each row of the other; write JOIN images ON …, or CROSS JOIN images if that is meant
SELECT * FROM videos v, captions c, images WHERE v.id = c.video_id
-- title: the second of three
-- warning: query:1:28: nothing relates c to v, so each row of one meets each row of the other; write JOIN captions c ON …, or CROSS JOIN captions c if that is meant
SELECT v.id FROM videos v, captions c, images i WHERE v.id = i.video_id AND c.score > 0
-- title: a comma beside a join
-- warning: query:1:65: nothing relates i to v or c, so each row of one meets each row of the other; write JOIN images i ON …, or CROSS JOIN images i if that is meant
SELECT v.id FROM videos v JOIN captions c ON c.video_id = v.id, images i
-- title: a derived table
-- warning: query:1:33: nothing relates t to v, so each row of one meets each row of the other; write JOIN \(…\) t ON …, or CROSS JOIN \(…\) t if that is meant
SELECT v.id, t.m FROM videos v, (SELECT category, max(motion) AS m FROM videos GROUP BY category) t WHERE v.motion > 1
-- title: unqualified columns of one table
-- warning: query:1:35: nothing relates images to captions, so each row of one meets each row of the other; write JOIN images ON …, or CROSS JOIN images if that is meant
SELECT text, image FROM captions, images WHERE lang = 'en'
-- title: a condition
SELECT v.id, c.text FROM videos v, captions c WHERE v.id = c.video_id
-- title: a condition under OR
SELECT v.id, c.text FROM videos v, captions c WHERE v.id = c.video_id OR c.lang = 'en'
-- title: a condition in parentheses and a function
SELECT v.id, c.text FROM videos v, captions c WHERE (v.motion > 1 AND abs(v.id - c.video_id) < 3)
-- title: unqualified columns of both
SELECT text, ts FROM captions, images WHERE lang = 'en' AND seconds < height
-- title: an unqualified column of a table that is not known
SELECT * FROM videos v, somewhere s WHERE v.id = other
-- title: a chain of three
SELECT v.id FROM videos v, captions c, images i WHERE v.id = c.video_id AND c.video_id = i.video_id
-- title: a condition in the ON of another join
SELECT v.id FROM videos v, captions c JOIN images i ON i.video_id = c.video_id AND i.id = v.id
-- title: a correlated subquery relates
SELECT v.id FROM videos v, captions c WHERE EXISTS (SELECT 1 FROM images i WHERE i.id = v.id AND i.video_id = c.video_id)
-- title: CROSS JOIN
SELECT v.id, i.id AS image_id FROM videos v CROSS JOIN images i
-- title: JOIN ON true
SELECT v.id, i.id AS image_id FROM videos v JOIN images i ON true
-- title: POSITIONAL JOIN
SELECT v.id, i.id AS image_id FROM videos v POSITIONAL JOIN images i
-- title: NATURAL JOIN and USING
SELECT * FROM "order" NATURAL JOIN (SELECT id FROM images) JOIN videos USING (id)
-- title: UNNEST
SELECT v.id, s FROM videos v, UNNEST(v.scenes) AS t(s)
-- title: LATERAL
SELECT v.id, b.image FROM videos v, LATERAL (SELECT image FROM images i WHERE i.video_id = v.id ORDER BY i.id LIMIT 1) b
-- title: LATERAL with unqualified columns
SELECT id, n FROM videos, LATERAL (SELECT unnest(range(1, len(scenes) + 1)) AS n)
-- title: a subquery that looks to its left
SELECT v.id, b.n FROM videos v, (SELECT count(*) AS n FROM images i WHERE i.video_id = v.id GROUP BY i.width) b
-- title: a function
SELECT id, i FROM videos, range(3) AS t(i)
-- title: VALUES
SELECT id, n FROM videos, (VALUES (1), (2)) AS t(n)
-- title: one row
SELECT id, m.most FROM videos, (SELECT max(id) AS most FROM images) m
-- title: one row first
SELECT id, m.most FROM (SELECT max(id) AS most FROM images) m, videos
-- title: one row of a CTE
WITH m AS (SELECT avg(height) AS mean FROM videos) SELECT id, height / mean AS r FROM videos, m
-- title: a field of a struct
SELECT v.id FROM videos v, captions c WHERE v.info.codec = c.text
-- title: one table
SELECT id FROM videos WHERE id = 3
