-- title: all of them
FROM types
-- title: overflow is avoided by a wider type
SELECT k, i32::BIGINT * i32 AS square FROM types WHERE i32::BIGINT * i32 > 0
-- title: int8
SELECT k FROM types WHERE i8 = -128 OR i8 > 100
-- title: uint8
SELECT k FROM types WHERE u8 = 255 OR u8 < 1
-- title: uint64
SELECT k, u64 FROM types WHERE u64 >= 9223372036854775808
-- title: float32 against a decimal
SELECT k FROM types WHERE f32 = 0.1
-- title: float32 against a float32
SELECT k FROM types WHERE f32 = 0.1::FLOAT OR f32 = 16777217
-- title: float32 zeros
SELECT k, f32 FROM types WHERE f32 = 0::FLOAT
-- title: float32 less than zero
SELECT k, f32 FROM types WHERE f32 < 0::FLOAT
-- title: float32 in a list
SELECT k, f32 FROM types WHERE f32 IN (0::FLOAT, 'nan'::FLOAT)
-- title: float64 not equal
SELECT k, f64 FROM types WHERE f64 <> 0
-- title: float64 is NaN
SELECT k FROM types WHERE isnan(f64) OR f64 = 'infinity'
-- title: float64 less than infinity
SELECT k FROM types WHERE f64 < 'infinity'
-- title: float64 not less
SELECT k FROM types WHERE NOT f64 < 5
-- title: booleans
SELECT k FROM types WHERE flag
-- title: booleans, not
SELECT k FROM types WHERE NOT flag
-- title: booleans, not true
SELECT k FROM types WHERE flag IS NOT TRUE
-- title: decimals
SELECT k, price FROM types WHERE price = 1.5 OR price < 0
-- title: dates
SELECT k, day FROM types WHERE day > DATE '2024-03-01' AND day <> '2024-03-05'
-- title: a date against a timestamp
SELECT k FROM types WHERE day >= TIMESTAMP '2024-03-10 12:00:00'
-- title: times
SELECT k, clock FROM types WHERE clock < TIME '12:00'
-- title: timestamps with a zone
SELECT k, moment FROM types WHERE moment > TIMESTAMPTZ '2024-02-28 05:00:00+01:00'
-- title: nanoseconds
SELECT k FROM types WHERE nanos > '2001-09-09 01:46:40.000000003'::TIMESTAMP_NS OR nanos IS NULL
-- title: large strings
SELECT k, word FROM types WHERE word = 'apple' OR word > 'b'
-- title: large strings like
SELECT k FROM types WHERE word LIKE 'b\_c' ESCAPE '\' OR word LIKE 'Ä%'
-- title: dictionaries
SELECT k, code FROM types WHERE code = 'x'
-- title: dictionaries in a list
SELECT k FROM types WHERE code IN ('y', 'z') OR code IS NULL
-- title: binary
SELECT k, hash FROM types WHERE hash = '\x00\x01'::BLOB OR hash = ''::BLOB
-- title: nested fields
SELECT k FROM types WHERE place.x = 1 AND place.y.z = 'deep'
-- title: a nested NULL
SELECT k FROM types WHERE place.x IS NULL
-- title: a NULL struct
SELECT k FROM types WHERE place IS NULL
-- title: structs are equal
SELECT k FROM types WHERE place = {'x': 1, 'y': {'z': 'deep'}}
-- title: lists are equal
SELECT k FROM types WHERE sizes = [1, 2, 3] OR sizes = []
-- title: a name in mixed case
SELECT k, "Mixed Case", "mixed case" + 1 AS more FROM types WHERE "MIXED CASE" = 2
-- title: another odd name
SELECT "Odd Name", image FROM images WHERE "Odd Name" = 'q"q' OR "odd name" = 'x'
-- title: sums of many widths
SELECT sum(i32) AS a, sum(i8) AS b, sum(price) AS c, sum(u64) AS d, avg(i32) AS e FROM types
-- title: HUGEINT
SELECT k, u64::HUGEINT * 4 AS huge FROM types WHERE k < 4
-- title: UHUGEINT
SELECT u64::UHUGEINT * 4 AS huge FROM types WHERE k < 4
-- title: DECIMAL of 38 digits
SELECT (k * 1.5)::DECIMAL(38, 10) AS d FROM types
-- title: INTERVAL
SELECT k, INTERVAL (k) DAY AS i, day - DATE '2024-01-01' AS n, age(moment::TIMESTAMP, TIMESTAMP '2020-01-01') AS old FROM types
-- title: ENUM
SELECT k, code::ENUM('x', 'y') AS e FROM types
-- title: an order of ENUM
SELECT k, code::ENUM('y', 'x') AS e FROM types ORDER BY e NULLS FIRST, k
-- title: UUID
SELECT k, md5(k::VARCHAR)::UUID AS u FROM types
-- title: BIT on the way
SELECT k, '0101'::BIT::VARCHAR AS b, bit_count('0101'::BIT) AS n, '0101'::BIT < '1'::BIT AS less FROM types
-- title: JSON
SELECT k, {'k': k, 'word': word}::JSON AS j, '{"a": [1]}'::JSON -> '$.a' AS a FROM types
-- title: TIME WITH TIME ZONE on the way
SELECT k, '12:00:00+02:00'::TIMETZ::TIME AS t FROM types
-- title: TIMESTAMP_S and TIMESTAMP_MS
SELECT k, moment::TIMESTAMP::TIMESTAMP_S AS s, day::TIMESTAMP_MS AS ms FROM types
-- title: BLOB
SELECT k, '\xAA\x00'::BLOB AS b, ''::BLOB AS empty FROM types
-- title: ARRAY
SELECT k, [k, 2]::BIGINT[2] AS a, [[1, 2], [3, 4]]::INTEGER[2][2] AS m, NULL::FLOAT[2] AS n FROM types
-- title: MAP
SELECT k, MAP {'a': k, 'b': NULL} AS m, MAP {} AS e FROM types
-- title: STRUCT in STRUCT
SELECT k, {'a': {'b': [1, k]}, 'Ü': word} AS s, row(1, 'x') AS r FROM types
-- title: NULL without a type
SELECT k, NULL AS nothing, [] AS empty, [NULL] AS one FROM types
-- title: NULL media
SELECT id, NULL::media AS never, CASE WHEN false THEN video END AS no FROM videos
-- title: VARINT
SELECT k, '123456789012345678901234567890123456789012'::BIGNUM AS b FROM types
-- title: characters
SELECT chr(0) || 'x' AS zero, '🎬' AS film, 'a' || chr(10) || 'b' AS lines
-- title: a timestamp with a zone as text
SELECT k, moment AT TIME ZONE 'UTC' AS t FROM types
