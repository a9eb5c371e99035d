-- title: BIT
-- match: query: column b has the type BIT, which a training set cannot hold; cast it, e\.g\. to VARCHAR
SELECT id, '101'::BIT AS b FROM videos
-- title: BIT in a list
-- match: query: column b has the type BIT, which
SELECT ['101'::BIT] AS b
-- title: BIT in a struct, beside an ENUM that names it
-- match: query: column b has the type BIT, which
SELECT {'e': 'it''s BIT'::ENUM('it''s BIT', 'x'), 'b': '101'::BIT} AS b
-- title: VARIANT
-- match: query: column v has the type VARIANT, which a training set cannot hold
SELECT id::VARIANT AS v FROM videos
-- title: TIME WITH TIME ZONE
-- match: query: column t has the type TIME WITH TIME ZONE, which a training set cannot hold
SELECT '01:02:03+02'::TIMETZ AS t
-- title: a UNION with a medium
-- match: query: column m is a UNION with media in it; use a STRUCT
SELECT union_value(x := image) AS m FROM images
-- title: a UNION with media in a list, in a list
-- match: query: column m is a UNION with media in it; use a STRUCT
SELECT [union_value(x := [image])] AS m FROM images
-- title: BIT in an unnamed struct, in a map
-- match: query: column b has the type BIT, which
SELECT MAP {'a': row('101'::BIT)} AS b
-- title: BIT in an ARRAY, in a UNION
-- match: query: column b has the type BIT, which
SELECT union_value(x := ['101'::BIT]::BIT[1]) AS b
-- title: TIME WITH TIME ZONE as a field of a view's column
-- match: query: column t has the type TIME WITH TIME ZONE, which
WITH a AS (SELECT {'VARIANT': '01:02:03+02'::TIMETZ} AS t) FROM a
