-- The decode functions: macros over media references. Each returns the reference with one more operation recorded;
-- nothing is decoded until a training step needs the sample. A NULL medium, or a NULL parameter, gives NULL.
--
-- How they are written (DuckDB 2.0): the medium is bound once, by a lambda over a list of one, so that nesting costs
-- linear planning time; `struct_update(NULL, …)` would return a struct, so each body guards NULL. `ops` keeps the order
-- of application, four bits each (media/reference.py has the codes). An operation that was applied already shows in
-- its own fields, and a second one is refused; only clips compose.

CREATE MACRO media_push(m, code, call, again) AS CASE
    WHEN (m.ops & 15) = 8 THEN error(call || ' after raw(): raw bytes are not decoded, so nothing can follow; drop one of the two')
    WHEN again THEN error(call || ' is applied a second time to one medium (perhaps in a view); apply it once')
    ELSE m.ops * 16 + code END;

-- clip(video, start_seconds, stop_seconds): the frames (or sound samples) with start_seconds <= t < stop_seconds.
-- Seconds count from the start of its input, so a clip of a clip lies inside the first.
CREATE MACRO clip(m media, start_seconds DOUBLE, stop_seconds DOUBLE) AS
    list_transform([m], lambda r: CASE
        WHEN r IS NULL OR start_seconds IS NULL OR stop_seconds IS NULL THEN NULL
        WHEN NOT isfinite(start_seconds) OR isnan(stop_seconds) OR start_seconds < 0 OR stop_seconds <= start_seconds
            THEN error(format('clip(…, {}, {}): expected 0 <= start_seconds < stop_seconds', start_seconds, stop_seconds))
        WHEN r.start_seconds IS NULL THEN struct_update(r,
            ops := media_push(r, 1, 'clip()', false), start_seconds := start_seconds, stop_seconds := stop_seconds)
        WHEN r.fps IS NOT NULL OR r.num_frames IS NOT NULL
            THEN error('clip() after at_fps() or frames() of a clip: clip first, then choose its frames')
        WHEN r.start_seconds + start_seconds >= r.stop_seconds
            THEN error(format('clip(…, {}, {}) starts after the end of the {} s clip that it is taken from', start_seconds, stop_seconds, r.stop_seconds - r.start_seconds))
        ELSE struct_update(r,
            start_seconds := r.start_seconds + start_seconds,
            stop_seconds := least(r.stop_seconds, r.start_seconds + stop_seconds)) END)[1];

-- at_fps(video, fps): the frames shown at 0, 1/fps, 2/fps … seconds of its input.
CREATE MACRO at_fps(m media, fps DOUBLE) AS
    list_transform([m], lambda r: CASE
        WHEN r IS NULL OR fps IS NULL THEN NULL
        WHEN NOT isfinite(fps) OR fps <= 0 THEN error(format('at_fps(…, {}): expected fps > 0', fps))
        ELSE struct_update(r, ops := media_push(r, 2, 'at_fps()', r.fps IS NOT NULL), fps := fps) END)[1];

-- frames(video, num_frames): that many frames, at the centres of as many equal parts of its input.
CREATE MACRO frames(m media, num_frames BIGINT) AS
    list_transform([m], lambda r: CASE
        WHEN r IS NULL OR num_frames IS NULL THEN NULL
        WHEN num_frames < 1 THEN error(format('frames(…, {}): expected num_frames >= 1', num_frames))
        ELSE struct_update(r, ops := media_push(r, 7, 'frames()', r.num_frames IS NOT NULL), num_frames := num_frames::INTEGER) END)[1];

-- resize(media, width, height): to exactly that many pixels; the aspect ratio is not kept.
CREATE MACRO resize(m media, width BIGINT, height BIGINT) AS
    list_transform([m], lambda r: CASE
        WHEN r IS NULL OR width IS NULL OR height IS NULL THEN NULL
        WHEN width < 1 OR height < 1 THEN error(format('resize(…, {}, {}): expected width and height >= 1', width, height))
        ELSE struct_update(r, ops := media_push(r, 3, 'resize()', r.width IS NOT NULL), width := width::INTEGER, height := height::INTEGER) END)[1];

-- resize_short(media, side): the shorter side becomes `side` pixels; the aspect ratio is kept.
CREATE MACRO resize_short(m media, side BIGINT) AS
    list_transform([m], lambda r: CASE
        WHEN r IS NULL OR side IS NULL THEN NULL
        WHEN side < 1 THEN error(format('resize_short(…, {}): expected side >= 1', side))
        ELSE struct_update(r, ops := media_push(r, 4, 'resize_short()', r.side IS NOT NULL), side := side::INTEGER) END)[1];

-- crop(media, x, y, width, height): that rectangle, in pixels of its input, (0, 0) at the top left.
CREATE MACRO crop(m media, x BIGINT, y BIGINT, width BIGINT, height BIGINT) AS
    list_transform([m], lambda r: CASE
        WHEN r IS NULL OR x IS NULL OR y IS NULL OR width IS NULL OR height IS NULL THEN NULL
        WHEN x < 0 OR y < 0 OR width < 1 OR height < 1
            THEN error(format('crop(…, {}, {}, {}, {}): expected x, y >= 0 and width, height >= 1', x, y, width, height))
        ELSE struct_update(r, ops := media_push(r, 5, 'crop()', r.crop_width IS NOT NULL),
            crop_x := x::INTEGER, crop_y := y::INTEGER, crop_width := width::INTEGER, crop_height := height::INTEGER) END)[1];

-- center_crop(media, width, height): the rectangle of that many pixels in the middle of its input.
CREATE MACRO center_crop(m media, width BIGINT, height BIGINT) AS
    list_transform([m], lambda r: CASE
        WHEN r IS NULL OR width IS NULL OR height IS NULL THEN NULL
        WHEN width < 1 OR height < 1 THEN error(format('center_crop(…, {}, {}): expected width and height >= 1', width, height))
        ELSE struct_update(r, ops := media_push(r, 6, 'center_crop()', r.center_width IS NOT NULL),
            center_width := width::INTEGER, center_height := height::INTEGER) END)[1];

-- raw(media): the stored bytes, not decoded.
CREATE MACRO raw(m media) AS
    list_transform([m], lambda r: CASE
        WHEN r IS NULL THEN NULL
        WHEN r.ops <> 0 THEN error('raw() after another operation: raw bytes are the stored ones; drop one of the two')
        ELSE struct_update(r, ops := 8::UBIGINT) END)[1];
