-- A funnel like Wan 2.1's, stage 2 of 3: scenes that move. Wan 2.1 sorts them into six tiers of motion with a model of its
-- own, and drops static ones and those of a shaking camera; these are the thresholds that others publish.
--
-- Source: see the first stage. Motion vectors are NULL for codecs that FFmpeg gives none of (HEVC, VP9, AV1): such videos
-- are kept. NeMo Curator encodes all to H.264 first. The vectors are of the whole video, the VMAF motion is of the scene.
SELECT *
FROM "curation/wan_1_clean"
WHERE
    motion >= 2 -- Movie Gen: VMAF motion
    AND (motion_vectors_mean < 0.00098) IS NOT TRUE -- NeMo Curator, Cosmos-Curate: global_mean
    AND (motion_vectors_patch_min < 0.000001) IS NOT TRUE -- the same: per_patch_min_256
