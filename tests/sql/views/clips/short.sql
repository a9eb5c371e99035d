/* The first second of every video in hd. */
SELECT id, clip(video, 0.5, 2.5) AS clip, motion FROM hd;
