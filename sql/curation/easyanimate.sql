-- EasyAnimate's filters: pieces of 3 to 10 seconds of one scene; a piece without a score is kept.
--
-- Source: github.com/aigc-apps/EasyAnimate, easyanimate/video_caption: video_splitting.py, utils/filter.py and
-- scripts/stage_2_video_filtering.sh. Features: scenes, motion. There, each score is a file, and what a file has below its
-- threshold is taken away from the list of all: what is in no file stays. SQL's WHERE drops it, as NULL >= 2 is not true;
-- that is the view easyanimate_scored. Scenes it cannot do without: a video that has none has no pieces.
--
-- Not here, as the models are not built in; each a line to add once its column is there (the names are yours):
--     AND (aesthetic < 4) IS NOT TRUE            -- SigLIP aesthetic predictor v2.5, mean of 4 frames
--     AND (text_area > 0.02) IS NOT TRUE         -- EasyOCR, of the middle frame
--     AND (list_min(similarity_per_frame) < 0.8) IS NOT TRUE -- CLIP or DINOv2, first frame, last frame, keyframes
--     AND (caption_match < 0.2) IS NOT TRUE      -- VideoCLIP-XL, of the video and its caption
-- It also cuts half a second off the end of scenes that are in one piece, where PySceneDetect lets frames of the next
-- scene in: the scenes here are exact.
SELECT
    id,
    part.start_seconds AS start_seconds,
    part.stop_seconds AS stop_seconds,
    motion,
    clip(video, part.start_seconds, part.stop_seconds) AS frames
FROM my_videos, UNNEST(split_spans(scenes, 10)) AS pieces(part) -- scenes of over 10 s in pieces of 10 s
WHERE
    part.stop_seconds - part.start_seconds >= 3 -- MIN_SECONDS
    AND (width * height < 720 * 1280) IS NOT TRUE -- min_resolution
    -- min_motion_score. There it is the mean length of OpenCV's Farneback flow, in pixels, at 2 frames a second, of the
    -- piece. The VMAF motion of the whole video stands in for it, with the 2.0 that Movie Gen has for it.
    AND (motion < 2) IS NOT TRUE
